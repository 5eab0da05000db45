import type { Key, Keys } from "./key.ts";
import { choice, count, flag, ip, list, mapping, networks, openMap, port, section, text } from "./key.ts";

const planned = { support: "planned" } as const;

const etcd: Key = openMap("The etcd cluster.", {
  ...planned,
  properties: {
    host: list(
      text("One address.", { pattern: "^https?://", expected: "an address such as http://127.0.0.1:2379" }),
      "Members of the cluster.",
      { minItems: 1, expected: "a list of at least one address" },
    ),
    prefix: text("Where resources are kept."),
    user: text("Name to log in with."),
    password: text("Password to log in with."),
    timeout: count(30, "Seconds for a request.", { minimum: 1 }),
    tls: openMap("TLS with etcd.", {
      properties: {
        cert: text("Certificate file."),
        key: text("Key file."),
        verify: flag(true, "Whether etcd's certificate is checked."),
        sni: text("Name to ask for."),
      },
    }),
  },
});

const adminKey: Key = mapping("One key.", {
  name: text("Name of the key."),
  key: { type: ["string", "number"], expected: "a string", description: "The secret." },
  role: choice(["admin", "viewer"], "What it may do."),
});

const admin: Key = section(
  "The Admin API.",
  {
    admin_key_required: flag(true, "Whether a key is needed."),
    admin_key: list(adminKey, "Keys.", { expected: "a list of keys with name, key and role" }),
    enable_admin_cors: flag(true, "Whether CORS headers are sent."),
    enable_admin_ui: flag(true, "Whether the pages are served."),
    allow_admin: networks(["127.0.0.0/24"], "Who may use it."),
    admin_listen: section("Where it listens.", {
      ip: ip("0.0.0.0", "Address to listen on."),
      port: port(9180, "Port to listen on."),
    }),
    https_admin: flag(false, "Whether it is served with TLS."),
    admin_api_mtls: section("Its certificate.", {
      admin_ssl_cert: text("Certificate file."),
      admin_ssl_cert_key: text("Key file."),
      admin_ssl_ca_cert: text("Certificates of those who may use it."),
    }),
    admin_api_version: choice(["v3", "v2"], "Form of its answers.", { default: "v3" }),
  },
  planned,
);

/** Keys under `deployment`. */
export const deploymentKeys: Keys = {
  role: choice(["traditional", "control_plane", "data_plane"], "What this node does; this version knows data_plane.", {
    default: "traditional",
  }),
  role_data_plane: section("A node that serves traffic and has no Admin API.", {
    config_provider: choice(
      ["yaml", "json", "etcd", "control_plane", "xds"],
      "yaml reads conf/apisix.yaml, json reads conf/apisix.json; the others are not available in this version.",
      { expected: "yaml or json" },
    ),
    control_plane: openMap("The control plane to ask.", planned),
  }),
  role_traditional: section(
    "A node that serves traffic and has an Admin API.",
    {
      config_provider: choice(["etcd", "yaml", "embedded"], "Where it keeps resources.", { default: "etcd" }),
    },
    planned,
  ),
  role_control_plane: section(
    "A node with an Admin API and without traffic.",
    {
      config_provider: choice(["etcd"], "Where it keeps resources.", { default: "etcd" }),
      conf_server: openMap("Where it serves data planes."),
    },
    planned,
  ),
  admin,
  etcd,
  certs: openMap("Certificates between control plane and data plane.", planned),
};
