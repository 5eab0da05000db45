import { apisixKeys } from "./apisix.ts";
import { defaultPlugins } from "./default-plugins.ts";
import { deploymentKeys } from "./deployment.ts";
import { discovery } from "./discovery.ts";
import { DEFAULT_MAX_SERIES } from "../prometheus-settings.ts";
import type { Key } from "./key.ts";
import { count, flag, foreign, ip, list, mapping, openMap, port, section, text } from "./key.ts";
import { nginxConfigKeys } from "./nginx-config.ts";

const pluginName = text("Name of a plugin.", { minLength: 1, expected: "the name of a plugin" });

const adjustable = mapping("One metric.", {
  extra_labels: list(
    openMap("A label and the variable that fills it.", { expected: "a mapping such as upstream_addr: $upstream_addr" }),
    "Labels besides the metric's own.",
  ),
  expire: {
    type: "number",
    minimum: 0,
    expected: "a number of seconds",
    description: "Seconds without a change after which a series goes; 0: never.",
    default: 0,
  },
});

const ofModels = foreign("There are no metrics of language models.");

const prometheus = openMap("Attributes of prometheus.", {
  default: {},
  properties: {
    enable_export_server: flag(true, "Whether metrics have a port of their own."),
    export_uri: text("Path of the metrics.", {
      pattern: "^/[!-~]*$",
      expected: "a path such as /apisix/prometheus/metrics",
      default: "/apisix/prometheus/metrics",
    }),
    metric_prefix: text("What the names of APISIX's metrics begin with.", {
      pattern: "^[a-zA-Z_:][a-zA-Z0-9_:]*$",
      expected: "the beginning of a name, of letters, digits and _",
      default: "apisix_",
    }),
    metrics: mapping("Further labels, and the life of series, of three metrics.", {
      http_status: adjustable,
      http_latency: adjustable,
      bandwidth: adjustable,
      upstream_status: foreign("Its series come and go with the nodes that are checked."),
      llm_latency: ofModels,
      llm_prompt_tokens: ofModels,
      llm_completion_tokens: ofModels,
      llm_active_connections: ofModels,
    }),
    default_buckets: list(
      { type: "number", minimum: 0, expected: "a number of milliseconds", description: "One bound." },
      "Upper bounds of the buckets of http_latency, milliseconds; 1 to 60000 in 15 steps unless written.",
      { minItems: 1, expected: "a list of numbers" },
    ),
    max_series: {
      type: "integer",
      minimum: 10,
      maximum: 200_000,
      expected: "a whole number from 10 to 200000",
      description: "Sets of labels of one metric that a worker counts; what comes beyond is counted together.",
      default: DEFAULT_MAX_SERIES,
    },
    export_addr: section("Where metrics are served.", {
      ip: ip("127.0.0.1", "Address to listen on."),
      port: port(9091, "Port to listen on."),
    }),
  },
});

/** Everything that may stand in config.yaml. */
export const configSchema: Key = mapping("The file.", {
  apisix: section("The gateway.", apisixKeys),
  nginx_config: section("What APISIX writes into nginx.conf, as far as it has a meaning here.", nginxConfigKeys),
  deployment: section("Where the configuration comes from.", deploymentKeys),
  plugins: list(pluginName, "Plugins that may be used; replaces the default list.", {
    expected: "a list of names of plugins",
    default: defaultPlugins,
  }),
  plugin_attr: openMap("Attributes of plugins for the whole gateway, by the name of the plugin.", {
    default: {},
    properties: { prometheus },
  }),
  stream_plugins: list(pluginName, "Plugins that stream routes may use.", {
    expected: "a list of names of plugins",
    default: ["ip-restriction", "limit-conn", "mqtt-proxy", "traffic-split", "syslog"],
  }),
  discovery,
  graphql: openMap("Limits of GraphQL.", {
    default: { max_size: 1048576 },
    properties: { max_size: count(1048576, "Bytes of a body that graphql_* conditions may read.") },
  }),
  xrpc: openMap("Protocols over TCP.", { support: "planned" }),
  wasm: foreign("There is no proxy-wasm."),
  "ext-plugin": foreign("There are no external plugin runners."),
});
