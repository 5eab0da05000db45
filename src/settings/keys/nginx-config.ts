import type { Keys } from "./key.ts";
import { choice, count, duration, flag, foreign, list, networks, onOff, section, size, text } from "./key.ts";

const file = { minLength: 1, pattern: "^(?!syslog:|memory:)", expected: "a file, relative to the prefix or absolute" };
const escapes = ["default", "json", "none"];

/** APISIX's format of access log lines. */
const accessLogFormat =
  '$remote_addr - $remote_user [$time_local] $http_host "$request" $status $body_bytes_sent $request_time ' +
  '"$http_referer" "$http_user_agent" $upstream_addr $upstream_status $upstream_response_time ' +
  '"$upstream_scheme://$upstream_host$upstream_uri"';

const http: Keys = {
  enable_access_log: flag(true, "Whether requests are logged."),
  access_log: text("Access log; /dev/stdout and /dev/stderr do as well, off turns it off.", {
    ...file,
    default: "logs/access.log",
  }),
  access_log_buffer: size(16384, "Bytes gathered before they are written; at most 3 seconds are waited."),
  access_log_format: text("Format of a line; $name is a variable.", { default: accessLogFormat }),
  access_log_format_escape: choice(escapes, "How values are escaped.", { default: "default" }),
  keepalive_timeout: duration("60s", "How long an idle connection of a client is kept; 0 keeps none."),
  keepalive_requests: count(1000, "Requests that one connection of a client may carry; 0 is no limit."),
  client_header_timeout: duration("60s", "How long a client may take to send the head of a request."),
  client_body_timeout: duration("60s", "How long a client may pause while it sends a body."),
  client_max_body_size: size(0, "Bytes that the body of a request may have, 413 beyond; 0 is no limit."),
  client_header_buffer_size: size("1k", "With large_client_header_buffers: how long heads and their lines may be."),
  large_client_header_buffers: {
    type: "string",
    pattern: "^\\s*[1-9]\\d{0,3}\\s+[1-9]\\d{0,8}[kmKM]?\\s*$",
    expected: 'a number and a size such as "4 8k"',
    description: "The size limits one line of a head (414 for the request line, 400 beyond), their product the head.",
    default: "4 8k",
  },
  send_timeout: duration("10s", "How long a client may pause while it reads an answer."),
  underscores_in_headers: onOff("on", "Whether headers with _ in their names are taken; otherwise they are dropped."),
  real_ip_header: text("Header with the address of the client, believed where real_ip_from says so.", {
    minLength: 1,
    default: "X-Real-IP",
    expected: "the name of a header",
  }),
  real_ip_recursive: onOff("off", "Whether the last address that is not believed is taken from a list of them."),
  real_ip_from: networks(["127.0.0.1", "unix:"], "Peers whose real_ip_header is believed; null believes nobody.", {
    type: ["array", "null"],
    items: text("One address or network.", {
      format: "cidr",
      expected: 'an IP address, a network such as 10.0.0.0/8, or "unix:"',
    }),
  }),
  upstream: section("Connections to upstreams.", {
    keepalive: count(320, "Idle connections that each worker keeps for a node."),
    keepalive_requests: count(1000, "Requests that one connection may carry; 0 is no limit."),
    keepalive_timeout: duration("60s", "How long an idle connection is kept; 0 keeps none."),
  }),
  proxy_buffer_size: size("4k", "Bytes that the head of a node's answer may have, 502 beyond.", {
    pattern: "^([1-9]|[1-5]\\d|6[0-4])[kK]$",
    minimum: 1024,
    maximum: 65_536,
    expected: "a size from 1k to 64k, or a number of bytes",
  }),
  proxy_ssl_server_name: {
    ...onOff("on", "Whether nodes over TLS are asked for their certificate by name (SNI)."),
    expected: "true or false",
    default: true,
  },
  charset: text("Charset added to text types without one; off adds none.", {
    default: "utf-8",
    pattern: "^[A-Za-z0-9._-]*$",
    expected: "the name of a charset, or off",
  }),
  variables_hash_max_size: foreign("There are no hash tables to size."),
  lua_shared_dict: foreign("There is no Lua."),
  custom_lua_shared_dict: foreign("There is no Lua."),
};

const stream: Keys = {
  enable_access_log: flag(false, "Whether connections are logged."),
  access_log: text("Access log of TCP and UDP; off turns it off.", { ...file, default: "logs/access_stream.log" }),
  access_log_format: text("Format of a line.", {
    default: "$remote_addr [$time_local] $protocol $status $bytes_sent $bytes_received $session_time",
  }),
  access_log_format_escape: choice(escapes, "How values are escaped.", { default: "default" }),
  lua_shared_dict: foreign("There is no Lua."),
};

const snippet = foreign("There is no nginx.conf.");

/** Keys under `nginx_config`. */
export const nginxConfigKeys: Keys = {
  worker_processes: {
    type: ["integer", "string"],
    pattern: "^(auto|[1-9]\\d?|1\\d\\d|2[0-4]\\d|25[0-6])$",
    minimum: 1,
    maximum: 256,
    expected: "auto or a whole number from 1 to 256",
    description: "Number of workers; auto is one per available core. APISIX_WORKER_PROCESSES in the environment wins.",
    default: "auto",
  },
  worker_shutdown_timeout: duration("240s", "How long requests in flight may take to finish when the gateway stops."),
  error_log: text("The gateway's own log; stderr and /dev/stderr do as well.", { ...file, default: "logs/error.log" }),
  error_log_level: choice(["debug", "info", "notice", "warn", "error", "crit", "alert", "emerg"], "What is logged.", {
    default: "warn",
  }),
  event: section("Limits of a worker.", {
    worker_connections: count(10620, "Connections that one worker may hold.", {
      pattern: "^[1-9]\\d*$",
      minimum: 1,
      expected: "a whole number, 1 or more",
    }),
  }),
  http: section("HTTP with clients and upstreams.", http),
  stream: section("TCP and UDP.", stream),
  envs: list(text("One variable."), "Variables for workers; all are visible to them anyway.", { support: "foreign" }),
  user: foreign("The gateway runs as whoever starts it."),
  enable_cpu_affinity: foreign("Workers are threads; the kernel places them."),
  worker_rlimit_nofile: foreign("The limit of the process holds: ulimit -n, or LimitNOFILE of its unit."),
  worker_rlimit_core: foreign("The limit of the process holds."),
  max_pending_timers: foreign("There is no Lua."),
  max_running_timers: foreign("There is no Lua."),
  meta: foreign("There is no Lua."),
  main_configuration_snippet: snippet,
  http_configuration_snippet: snippet,
  http_server_configuration_snippet: snippet,
  http_server_location_configuration_snippet: snippet,
  http_admin_configuration_snippet: snippet,
  http_end_configuration_snippet: snippet,
  stream_configuration_snippet: snippet,
};
