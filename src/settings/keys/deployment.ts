import type { Key, Keys } from "./key.ts";
import { choice, count, flag, foreign, ip, list, mapping, networks, openMap, port, section, text } from "./key.ts";

const planned = { support: "planned" } as const;

const etcd: Key = mapping("The etcd cluster that holds the resources, in APISIX's layout.", {
  host: list(
    text("One address.", { pattern: "^https?://", expected: "an address such as http://127.0.0.1:2379" }),
    "Members of the cluster, tried in turn. A JSON list in APISIX_DEPLOYMENT_ETCD_HOST in the environment takes its place.",
    { minItems: 1, expected: "a list of at least one address", default: ["http://127.0.0.1:2379"] },
  ),
  prefix: text("Where resources are kept.", {
    default: "/apisix",
    pattern: "^/.*[^/]$",
    expected: "a path such as /apisix",
  }),
  user: text("Name to log in with."),
  password: text("Password to log in with."),
  timeout: count(30, "Seconds for a request.", { minimum: 1 }),
  watch_timeout: count(
    50,
    "Seconds after which a watch that is silent, although it is asked every second, is given up; at most 5.",
    { minimum: 1 },
  ),
  health_check_timeout: count(10, "Seconds for which a member that failed is left alone.", { minimum: 1 }),
  resync_delay: foreign("A watch that has ended is begun anew at once, then with pauses of its own."),
  startup_retry: count(2, "Attempts at start before the failure is reported; the gateway goes on trying."),
  use_grpc: foreign("etcd is always spoken to over gRPC."),
  health_check_retry: foreign("startup_retry has taken its place."),
  tls: mapping("TLS with etcd; used for addresses that begin with https.", {
    cert: text("Certificate file, for etcd that asks for one."),
    key: text("Key file of the certificate."),
    ca: text("File with the certificates to trust, instead of the system's."),
    verify: flag(true, "Whether etcd's certificate is checked."),
    sni: text("Name to ask for."),
  }),
});

const adminKey: Key = mapping("One key.", {
  name: text("Name of the key."),
  key: { type: ["string", "number"], expected: "a string", description: "The secret; empty: one is generated." },
  role: choice(["admin", "viewer"], "What it may do: admin everything, viewer GET."),
});

const admin: Key = section("The Admin API.", {
  admin_key_required: flag(true, "Whether a key is needed."),
  admin_key: list(adminKey, "Keys. Without one, or where one is empty, it is generated into data/admin.key.", {
    expected: "a list of keys with name, key and role",
  }),
  enable_admin_cors: flag(true, "Whether CORS headers are sent."),
  enable_admin_ui: flag(true, "Whether the pages are served.", planned),
  allow_admin: networks(["127.0.0.0/24"], "Who may use it; an empty list: everybody."),
  admin_listen: section("Where it listens.", {
    ip: ip(
      undefined,
      "Address; without it 127.0.0.1, or all addresses where allow_admin admits others than this host.",
    ),
    port: port(9180, "Port to listen on.", { port: "zeroInTests" }),
  }),
  https_admin: flag(false, "Whether it is served with TLS, with the certificate of admin_api_mtls."),
  admin_api_mtls: section("Certificates of the Admin API.", {
    admin_ssl_cert: text("Certificate file."),
    admin_ssl_cert_key: text("Key file."),
    admin_ssl_ca_cert: text("Certificates of those who may use it."),
  }),
  admin_api_version: choice(["v3", "v2"], "Form of its answers.", { default: "v3" }),
});

/** Keys under `deployment`. */
export const deploymentKeys: Keys = {
  role: choice(
    ["traditional", "control_plane", "data_plane"],
    "What this node does: traditional has an Admin API and serves traffic, control_plane has no traffic, data_plane no Admin API.",
    { default: "traditional" },
  ),
  role_data_plane: section("A node that serves traffic and has no Admin API.", {
    config_provider: choice(
      ["etcd", "yaml", "json", "control_plane", "xds"],
      "etcd follows the cluster in deployment.etcd, yaml reads conf/apisix.yaml, json conf/apisix.json; the others are not available.",
      { default: "etcd", expected: "etcd, yaml or json" },
    ),
    control_plane: openMap("The control plane to ask.", planned),
  }),
  role_traditional: section("A node that serves traffic and has an Admin API.", {
    config_provider: choice(
      ["embedded", "etcd", "yaml"],
      "Where it keeps resources: embedded in data/turnpike.db, etcd in the cluster, yaml only in memory, pushed through the Admin API. Without it etcd where deployment.etcd is written, else embedded.",
    ),
  }),
  role_control_plane: section("A node with an Admin API and without traffic.", {
    config_provider: choice(["etcd"], "Where it keeps resources.", { default: "etcd" }),
    conf_server: openMap("Where it serves data planes.", planned),
  }),
  admin,
  etcd,
  certs: openMap("Certificates between control plane and data plane.", planned),
};
