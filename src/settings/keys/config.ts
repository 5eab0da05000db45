import { apisixKeys, dnsServerKey } from "./apisix.ts";
import { defaultPlugins } from "./default-plugins.ts";
import { deploymentKeys } from "./deployment.ts";
import type { Key } from "./key.ts";
import { count, flag, foreign, ip, list, mapping, openMap, port, section, text } from "./key.ts";
import { nginxConfigKeys } from "./nginx-config.ts";

const pluginName = text("Name of a plugin.", { minLength: 1, expected: "the name of a plugin" });

const prometheus = openMap("Attributes of prometheus.", {
  default: {},
  properties: {
    enable_export_server: flag(true, "Whether metrics have a port of their own."),
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
  discovery: mapping("Service discovery.", {
    dns: mapping("DNS.", {
      servers: list(dnsServerKey("One server."), "DNS servers.", { minItems: 1 }),
      resolv_conf: text("File with the servers instead of them.", { support: "planned" }),
      order: list(text("One type."), "Types of records in order.", { support: "planned" }),
    }),
    consul: openMap("Consul.", {
      properties: {
        servers: list(
          text("One server.", {
            pattern: "^https?://[^/?#]+/?$",
            expected: "an address such as http://127.0.0.1:8500",
          }),
          "Servers; the first that answers counts.",
          { minItems: 1 },
        ),
        token: text("Token for the servers."),
        fetch_interval: count(3, "Seconds between two looks at a service."),
        weight: count(1, "Weight of a node that says none."),
      },
    }),
    consul_kv: openMap("Consul's key/value store.", { support: "planned" }),
    kubernetes: {
      ...openMap("Kubernetes: a cluster, or a list of them with an id each.", {
        expected: "a mapping with service and client, or a list of them",
      }),
      type: ["object", "array"],
    },
    nacos: openMap("Nacos.", { support: "planned" }),
    eureka: openMap("Eureka.", { support: "planned" }),
    zookeeper: openMap("ZooKeeper.", { support: "planned" }),
  }),
  graphql: openMap("Limits of GraphQL.", {
    default: { max_size: 1048576 },
    properties: { max_size: count(1048576, "Bytes of a body that graphql_* conditions may read.") },
  }),
  xrpc: openMap("Protocols over TCP.", { support: "planned" }),
  wasm: foreign("There is no proxy-wasm."),
  "ext-plugin": foreign("There are no external plugin runners."),
});
