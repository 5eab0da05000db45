import type { Key } from "./key.ts";
import { choice, count, flag, foreign, list, mapping, openMap, port, section, text } from "./key.ts";
import { dnsServerKey } from "./apisix.ts";

const planned = { support: "planned" } as const;

/** Types of records, and `last`: the type that a name was found with the last time. */
export const recordOrder = ["last", "SRV", "A", "AAAA", "CNAME"] as const;

const dns = mapping("DNS.", {
  servers: list(dnsServerKey("One server."), "DNS servers.", { minItems: 1 }),
  resolv_conf: text("File that names the servers instead, such as /etc/resolv.conf; read anew when it changes.", {
    minLength: 1,
  }),
  order: list(choice(recordOrder, "One type."), "Types of records in the order in which they are asked for.", {
    minItems: 1,
    expected: "a list of last, SRV, A, AAAA and CNAME",
    default: [...recordOrder],
  }),
});

const consul = mapping("Consul.", {
  servers: list(
    text("One server.", {
      pattern: "^https?://[^/?#]+/?$",
      expected: "an address such as http://127.0.0.1:8500",
    }),
    "Servers; the first that answers counts.",
    { minItems: 1 },
  ),
  token: text("Token for the servers."),
  keepalive: flag(true, "Whether a server holds its answer back until something changes (long polls)."),
  timeout: section("Time limits.", {
    connect: count(2000, "Milliseconds for a connection; those of read are added to them.", { minimum: 1 }),
    read: count(2000, "Milliseconds for an answer that is not held back.", { minimum: 1 }),
    wait: count(60, "Seconds for which an answer may be held back.", { maximum: 600 }),
  }),
  fetch_interval: count(3, "Seconds between two looks at a service where no answer is held back."),
  weight: count(1, "Weight of a node; one to which Consul gives a weight has so many times as much.", { minimum: 1 }),
  skip_services: list(
    text("One service."),
    "Services that are not looked up, besides `consul`: they have no node but `default_service`.",
    {
      default: [],
    },
  ),
  default_service: mapping("The node of a service for which no server knows an instance.", {
    host: text("Its address or name.", { minLength: 1 }),
    port: port(undefined, "Its port."),
    metadata: section("What Consul would say of it.", {
      weight: count(1, "Its weight."),
      fail_timeout: foreign("checks of the upstream say when a node is left out."),
      max_fails: foreign("checks of the upstream say when a node is left out."),
    }),
  }),
  dump: foreign("Workers and the control thread keep what they know."),
  sort_type: foreign("Nodes are always sorted."),
  preserve_metadata: foreign("Nothing here reads it."),
  shared_size: foreign("There is no Lua."),
});

const clusterKeys = {
  id: text("What upstreams call the cluster; only in a list of clusters.", {
    pattern: "^[a-z0-9]{1,8}$",
    expected: "1 to 8 small letters and digits",
  }),
  service: section("The API server.", {
    schema: choice(["https", "http"], "How it is spoken to.", { default: "https" }),
    host: text("Its address or name; ${NAME} is a variable of the environment.", {
      minLength: 1,
      default: "${KUBERNETES_SERVICE_HOST}",
    }),
    port: {
      type: ["integer", "string"],
      port: "checked",
      pattern: "^(\\d{1,5}|\\$\\{\\w+\\})$",
      expected: "a port from 1 to 65535, or a variable such as ${KUBERNETES_SERVICE_PORT}",
      description: "Its port; ${NAME} is a variable of the environment.",
      default: "${KUBERNETES_SERVICE_PORT}",
    } satisfies Key,
    ssl_verify: {
      type: "boolean",
      expected: "true or false",
      description: "Whether its certificate is checked; by default in a pod that asks its own cluster.",
    } satisfies Key,
  }),
  client: section("Who the gateway is to it.", {
    token: text("Token of the service account."),
    token_file: text("File with the token; read anew for every request. Without either: the pod's."),
  }),
  default_weight: count(50, "Weight of nodes."),
  namespace_selector: section("Namespaces that count.", {
    equal: text("Only this one."),
    not_equal: text("All but this one."),
    match: list(text("One expression."), "Those that one of the regular expressions matches."),
    not_match: list(text("One expression."), "Those that none of them matches."),
  }),
  label_selector: text("Labels of endpoints that count, in Kubernetes' form."),
  watch_timeout_seconds: count(1800, "Seconds after which a watch is begun anew.", { minimum: 5, maximum: 86_400 }),
  watch_jitter_seconds: count(990, "Up to so many seconds are added to them, at random.", { maximum: 86_400 }),
  watch_retry_interval_seconds: count(1, "Seconds to wait after a failure; doubled with each further one.", {
    maximum: 3600,
  }),
  watch_retry_max_seconds: count(5, "Seconds to wait at most.", { maximum: 3600 }),
  watch_endpoint_slices: flag(false, "Whether EndpointSlices are watched instead of Endpoints."),
  shared_size: foreign("There is no Lua."),
} as const;

const kubernetes: Key = {
  ...mapping("Kubernetes: a cluster, or a list of them with an id each.", clusterKeys, {
    expected: "a mapping with service and client, or a list of them",
    items: mapping("One cluster.", clusterKeys),
    minItems: 1,
  }),
  type: ["object", "array"],
};

/** `discovery`. */
export const discovery = mapping("Service discovery.", {
  dns,
  consul,
  consul_kv: openMap("Consul's key/value store.", planned),
  kubernetes,
  nacos: openMap("Nacos.", planned),
  eureka: openMap("Eureka.", planned),
  zookeeper: openMap("ZooKeeper.", planned),
  tars: openMap("Tars.", planned),
});
