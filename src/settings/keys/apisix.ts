import type { Key, Keys } from "./key.ts";
import {
  choice,
  count,
  duration,
  flag,
  foreign,
  ip,
  list,
  mapping,
  networks,
  port,
  section,
  size,
  text,
} from "./key.ts";

const planned = { support: "planned" } as const;

const nodeListen: Key = {
  type: ["integer", "array"],
  port: "zeroInTests",
  minItems: 1,
  expected: "a port from 1 to 65535, or a list of ports and of mappings with ip and port",
  description: "Where HTTP is served.",
  default: [9080],
  items: {
    type: ["integer", "object"],
    port: "zeroInTests",
    expected: "a port from 1 to 65535, or a mapping with ip and port",
    description: "One address; a plain port is on all addresses.",
    properties: {
      ip: ip(undefined, "Address; without it all of IPv4, and of IPv6 where enable_ipv6 is true."),
      port: port(9080, "Port.", { port: "zeroInTests" }),
      enable_ipv6: flag(true, "Whether an entry without ip listens on IPv6 too; enable_ipv6 must be true as well."),
      enable_http2: flag(true, "Whether clients may speak HTTP/2 without TLS here, by prior knowledge."),
    },
  },
};

const status: Key = section(
  "The Status API, which answers probes. false or null turns it off.",
  {
    ip: ip("127.0.0.1", 'Address to listen on; "0.0.0.0" for probes from outside.'),
    port: port(7085, "Port to listen on.", { port: "zeroInTests" }),
    allow_details: networks(["127.0.0.0/8", "::1/128"], "Whose requests may read more than /status and /status/ready."),
    allow_hosts: list(
      text("One name; *.example.com stands for every name below it, * for all.", {
        pattern: "^(\\*|(\\*\\.)?[A-Za-z0-9_-]+(\\.[A-Za-z0-9_-]+)*\\.?)$",
        expected: "a host name without a port, *.example.com, or *",
      }),
      "Names that may stand in Host where more than /status and /status/ready is read, besides addresses, localhost and names without a dot.",
      { expected: "a list of host names", default: [] },
    ),
    unresponsive_after: duration("5s", "How long a worker may be silent before it counts as hung and is replaced.", {
      not: { const: 0 },
    }),
  },
  {
    type: ["object", "boolean", "null"],
    not: { const: true },
    expected: "a mapping with ip and port, or false to turn the Status API off",
  },
);

const control: Key = section("Where the Control API listens.", {
  ip: ip("127.0.0.1", "Address to listen on."),
  port: port(9090, "Port to listen on.", { port: "zeroInTests" }),
});

/** Suites of versions before 1.3 where none are written. */
export const defaultCiphers =
  "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:" +
  "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:" +
  "DHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES256-GCM-SHA384";

const neverHttp3 = { not: { const: true }, expected: "false: HTTP/3 is not served" } as const;

const ssl: Key = section("TLS in front of the gateway.", {
  enable: flag(true, "Whether HTTPS is served."),
  listen: list(
    mapping("One address.", {
      ip: ip(undefined, "Address; without it all of them."),
      port: port(9443, "Port.", { port: "zeroInTests" }),
      enable_http2: flag(true, "Whether clients may speak HTTP/2 here."),
      enable_http3: flag(false, "HTTP/3, which is not served.", neverHttp3),
      enable_quic: flag(false, "The old name of enable_http3.", neverHttp3),
    }),
    "Where HTTPS is served.",
    { default: [{ port: 9443 }] },
  ),
  ssl_trusted_certificate: text(
    "File with the certificates to trust in upstreams, in Vault and in what plugins connect to, or system.",
    { default: "system" },
  ),
  ssl_protocols: text("TLS versions, separated by blanks.", {
    default: "TLSv1.2 TLSv1.3",
    pattern: "^\\s*TLSv1\\.[123](\\s+TLSv1\\.[123])*\\s*$",
    expected: "TLS versions from TLSv1.1 to TLSv1.3, separated by blanks",
  }),
  ssl_ciphers: text("Cipher suites of versions before 1.3, separated by colons.", {
    default: defaultCiphers,
    pattern: "^[A-Za-z0-9!+@=:, -]+$",
    expected: "names of cipher suites, separated by colons",
  }),
  ssl_session_tickets: flag(true, "Whether sessions are resumed; keys of tickets change every hour."),
  fallback_sni: text("Name assumed where a client sends none, or one without a certificate.", {
    minLength: 1,
    expected: "a host name",
  }),
  key_encrypt_salt: {
    type: ["string", "array"],
    expected: "a string of 16 characters or a list of them",
    description: "The old name of data_encryption.keyring.",
    minLength: 16,
    maxLength: 16,
    items: text("One key.", { minLength: 16, maxLength: 16, expected: "a string of 16 characters" }),
    ...planned,
  },
});

/** APISIX's caches where none are written. */
const defaultZones = [
  { name: "disk_cache_one", disk_path: "/tmp/disk_cache_one" },
  { name: "memory_cache", memory_size: "50m" },
];

const proxyCache: Key = section("Caches for proxy-cache.", {
  cache_ttl: duration("10s", "How long an answer is kept on disk where the upstream does not say."),
  zones: list(
    mapping("One cache.", {
      name: text("Name of the cache.", { minLength: 1 }),
      memory_size: size(
        "50m",
        "Memory in each worker: what a cache in memory holds, or what is being read from disk and written at once.",
      ),
      disk_size: size("1G", "Bytes on disk; what was used longest ago goes first."),
      disk_path: text("Directory on disk, relative to the prefix; without it the cache is in memory.", {
        minLength: 1,
      }),
      cache_levels: text("Levels of directories: digits of a name that each takes.", {
        pattern: "^[12](:[12]){0,2}$",
        default: "1:2",
        expected: "one to three digits 1 or 2 such as 1:2",
      }),
    }),
    "The caches.",
    { default: defaultZones, minItems: 1, expected: "a list of at least one zone" },
  ),
});

const listenText = { format: "listen", port: "zeroInTests" } as const;

const udpAddress: Key = {
  type: ["integer", "string"],
  ...listenText,
  expected: 'a port from 1 to 65535, or an address and a port such as "127.0.0.1:9200"',
  description: "One address; a plain port is on all of IPv4.",
};

const tcpAddress: Key = {
  type: ["integer", "string", "object"],
  ...listenText,
  expected: 'a port from 1 to 65535, an address and a port such as "127.0.0.1:9100", or a mapping with addr',
  description: "One address; a plain port is on all of IPv4.",
  properties: {
    addr: {
      type: ["integer", "string"],
      ...listenText,
      expected: 'a port from 1 to 65535, or an address and a port such as "127.0.0.1:9100"',
      description: "Where to listen.",
    },
    tls: flag(false, "Whether clients speak TLS, with the certificates of ssl resources."),
  },
};

/** The address of a DNS server. */
export function dnsServerKey(description: string): Key {
  return text(description, {
    pattern: "^(\\d{1,3}(\\.\\d{1,3}){3}(:\\d{1,5})?|\\[[0-9A-Fa-f:.]+\\](:\\d{1,5})?|[0-9A-Fa-f.]*:[0-9A-Fa-f:.]+)$",
    expected: "an IP address, or an address and a port such as 10.0.0.2:53 and [::1]:53",
  });
}

/** Keys under `apisix`. */
export const apisixKeys: Keys = {
  node_listen: nodeListen,
  enable_ipv6: flag(
    true,
    "Whether entries of node_listen without an ip listen on [::] too, and names are asked for addresses of IPv6.",
  ),
  status,
  enable_control: flag(true, "Whether the Control API is served."),
  control,
  enable_dev_mode: flag(false, "One worker, whatever worker_processes says."),
  enable_admin: flag(true, "Whether the Admin API is served; never in the role data_plane."),
  router: section("How routes are matched.", {
    http: choice(["radixtree_host_uri", "radixtree_uri", "radixtree_uri_with_parameter"], "The router for HTTP.", {
      default: "radixtree_host_uri",
    }),
    ssl: choice(["radixtree_sni"], "The router for certificates.", { default: "radixtree_sni" }),
  }),
  delete_uri_tail_slash: flag(false, "Whether /foo/ is matched as /foo."),
  normalize_uri_like_servlet: flag(false, "Whether paths are normalised as the Java servlet specification says."),
  show_upstream_status_in_response_header: flag(
    false,
    "Whether X-APISIX-Upstream-Status is always sent, and not only with a 5xx of the upstream.",
  ),
  enable_server_tokens: flag(true, "Whether the Server header names the version."),
  trusted_addresses: networks(
    undefined,
    "Whose X-Forwarded-* headers are believed; without the key nobody's, and they are overwritten.",
  ),
  shutdown_delay: duration("0s", "How long new connections are still accepted after the signal to stop."),
  show_revision_in_response_header: flag(false, "Whether answers carry X-Turnpike-Revision: revision; worker=id."),
  tcp_migrate_req: flag(
    false,
    "Whether net.ipv4.tcp_migrate_req=1 is set at start where that is allowed; a reload then loses no connection.",
  ),
  ssl,
  proxy_mode: choice(["http", "stream", "http&stream"], "Whether HTTP, TCP and UDP, or both are proxied.", {
    default: "http",
  }),
  stream_proxy: section("Where TCP and UDP are proxied; proxy_mode says whether they are.", {
    only: foreign("Without effect in APISIX 3; proxy_mode has taken its place."),
    tcp: list(tcpAddress, "TCP addresses.", { minItems: 1, expected: "a list of at least one address" }),
    udp: list(udpAddress, "UDP addresses.", { minItems: 1, expected: "a list of at least one address" }),
  }),
  proxy_protocol: section("The PROXY protocol, versions 1 and 2, by which a proxy in front tells who the client is.", {
    listen_http_port: port(undefined, "Port for HTTP on which each connection begins with a PROXY header."),
    listen_https_port: port(undefined, "The same for HTTPS, before TLS."),
    enable_tcp_pp: flag(false, "Whether connections on stream_proxy.tcp begin with a PROXY header."),
    enable_tcp_pp_to_upstream: flag(false, "Whether connections of TCP streams to nodes begin with one, of version 1."),
  }),
  proxy_cache: proxyCache,
  dns_resolver: list(dnsServerKey("One server."), "DNS servers; without the key those of /etc/resolv.conf.", {
    minItems: 1,
  }),
  dns_resolver_valid: count(undefined, "Seconds for which a DNS answer counts; without the key its TTL says."),
  resolver_timeout: count(5, "Seconds to wait for a DNS answer."),
  enable_resolv_search_opt: flag(true, "Whether the search list of resolv.conf is used."),
  data_encryption: section("Encryption of secrets at rest.", {
    enable_encrypt_fields: flag(true, "Whether fields of plugins are encrypted."),
    keyring: list(
      text("One key.", { minLength: 16, maxLength: 16, expected: "a string of 16 characters" }),
      "AES-128 keys; the first encrypts, all decrypt.",
      { default: ["qeddd145sfvddff3", "edd1c9f0985e76a2"] },
    ),
  }),
  disable_upstream_healthcheck: flag(false, "Whether health checks of upstreams are turned off."),
  match_uri_encoded_slash: flag(false, "Whether %2F is kept while matching."),
  max_post_args_readable_size: count(64, "MB of a body that post_arg conditions may read."),
  enable_http2: flag(true, "Whether clients may speak HTTP/2."),
  tracing: flag(false, "Spans for the phases of a request.", planned),
  lru: section(
    "Caches of secrets.",
    {
      secret: section("Secrets.", {
        ttl: count(300, "Seconds."),
        count: count(512, "Entries."),
        neg_ttl: count(60, "Seconds for failures."),
        neg_count: count(512, "Entries for failures."),
      }),
    },
    planned,
  ),
  id: text("What this node is called among others; without it an id is kept in data/node.id.", {
    pattern: "^[\\w.-]{1,100}$",
    expected: "letters, digits, points, underscores and dashes, at most 100",
  }),
  extra_plugins: list(
    text("One file or package.", {
      minLength: 1,
      maxLength: 500,
      expected: "a path such as ./plugins/hello.ts, or the name of a package",
    }),
    "Plugins of your own: files (relative to the prefix, with ./ or /) and packages that export them.",
    { default: [], expected: "a list of files and packages" },
  ),
  enable_reuseport: foreign("Workers always share their ports."),
  extra_lua_path: foreign("There is no Lua."),
  extra_lua_cpath: foreign("There is no Lua."),
  lua_module_hook: foreign("There is no Lua."),
  disable_sync_configuration_during_start: foreign("Start never waits for the configuration."),
  worker_startup_time_threshold: foreign("A worker always starts with the current configuration."),
  events: foreign("Threads talk through messages."),
};
