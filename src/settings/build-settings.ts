import { resolve } from "node:path";
import { parseByteSize } from "../lib/byte-size.ts";
import { parseDuration } from "../lib/duration.ts";
import { normaliseLogFormat } from "./access-log-format.ts";
import { canonicalIp } from "./address.ts";
import { adminSettings } from "./admin-settings.ts";
import type { CacheZoneConfig, CheckedConfig, HttpConfig, Scalar, StatusConfig } from "./checked-config.ts";
import { discoverySettings, dnsServer } from "./discovery-settings.ts";
import { httpListeners } from "./listeners.ts";
import { prometheusSettings } from "./prometheus-settings.ts";
import { servesHttp, streamSettings } from "./stream-settings.ts";
import { tlsSettings } from "./tls-settings.ts";
import type {
  Address,
  CacheSettings,
  CacheZoneSettings,
  DnsSettings,
  HttpSettings,
  LogSettings,
  Settings,
  SourceSettings,
  StatusSettings,
  UpstreamSettings,
} from "./settings.ts";
import { trustedCertificates } from "./trusted-certificates.ts";

/** What settings are made of besides the file. */
export interface Surroundings {
  readonly prefix: string;
  readonly configFile: string;
  readonly workers: number;
  readonly env: NodeJS.ProcessEnv;
  readonly source: SourceSettings;
  /** `plugin_attr` as written. */
  readonly pluginAttr: Readonly<Record<string, unknown>>;
}

/** Settings of a configuration without errors. */
export function buildSettings(config: CheckedConfig, around: Surroundings): Settings {
  const { apisix, nginx_config: nginx } = config;
  return {
    prefix: around.prefix,
    configFile: around.configFile,
    workers: around.workers,
    http: httpSettings(config),
    stream: streamSettings(config, around.prefix),
    tls: tlsSettings(config.apisix.ssl),
    upstream: upstreamSettings(nginx.http),
    trustedCertificates: trustedCertificates(config, around.prefix),
    router: apisix.router.http,
    matching: {
      encodedSlash: apisix.match_uri_encoded_slash,
      graphqlMaxSize: Number(config.graphql.max_size ?? DEFAULT_GRAPHQL_SIZE),
      postArgMaxSize: Number(apisix.max_post_args_readable_size) * 1_048_576,
    },
    dns: dnsSettings(apisix),
    discovery: discoverySettings(config.discovery ?? {}, around.prefix, around.env),
    healthChecksOff: apisix.disable_upstream_healthcheck,
    status: apisix.status === false || apisix.status === null ? null : statusSettings(apisix.status),
    control: apisix.enable_control ? address(apisix.control) : null,
    source: around.source,
    nodeId: apisix.id ?? null,
    role: config.deployment.role,
    admin: adminSettings(config, around.prefix),
    dataEncryption: {
      enabled: apisix.data_encryption.enable_encrypt_fields,
      keyring: apisix.data_encryption.keyring,
    },
    proxyMode: apisix.proxy_mode,
    shutdown: { delayMs: ms(apisix.shutdown_delay), timeoutMs: ms(nginx.worker_shutdown_timeout) },
    log: logSettings(nginx, around.prefix),
    plugins: [...new Set(config.plugins)],
    prometheus: config.plugins.includes("prometheus") ? prometheusSettings(config.plugin_attr.prometheus) : null,
    streamPlugins: [...new Set(config.stream_plugins)],
    extraPlugins: [...new Set(apisix.extra_plugins)],
    pluginAttr: pluginAttributes(config, around),
    showRevision: apisix.show_revision_in_response_header,
    showUpstreamStatus: apisix.show_upstream_status_in_response_header,
    serverTokens: apisix.enable_server_tokens,
    tcpMigrateReq: apisix.tcp_migrate_req,
  };
}

/** `plugin_attr` as written; `redirect` knows the port for HTTPS and `proxy-cache` its zones in any case. */
function pluginAttributes({ apisix }: CheckedConfig, { pluginAttr, prefix }: Surroundings): Settings["pluginAttr"] {
  const { ssl, proxy_cache: cache } = apisix;
  const port = ssl.enable ? (ssl.listen[0]?.port ?? 9443) : undefined;
  const written = { ...pluginAttr, "proxy-cache": cacheSettings(cache, prefix) };
  if (port === undefined) return written;
  return { ...written, redirect: { https_port: port, ...(pluginAttr["redirect"] as object | undefined) } };
}

function cacheSettings(cache: CheckedConfig["apisix"]["proxy_cache"], prefix: string): CacheSettings {
  return { ttlMs: ms(cache.cache_ttl), zones: cache.zones.map((zone) => cacheZone(zone, prefix)) };
}

/** Zones are APISIX's default ones where none are written, for which no key has filled anything in. */
function cacheZone(zone: CacheZoneConfig, prefix: string): CacheZoneSettings {
  const {
    name = "",
    memory_size: memory = "50m",
    disk_path: path,
    disk_size: size = "1G",
    cache_levels: levels,
  } = zone;
  const digits = (levels ?? "1:2").split(":").map(Number);
  const disk = path === undefined ? null : { path: resolve(prefix, path), bytes: bytes(size), levels: digits };
  return { name, memoryBytes: bytes(memory), disk };
}

function httpSettings(config: CheckedConfig): HttpSettings {
  const { apisix, nginx_config: nginx } = config;
  const { http } = nginx;
  return {
    listen: servesHttp(config) ? httpListeners(config) : [],
    deleteUriTailSlash: apisix.delete_uri_tail_slash,
    normalizeUriLikeServlet: apisix.normalize_uri_like_servlet,
    keepaliveTimeoutMs: ms(http.keepalive_timeout),
    keepaliveRequests: Number(http.keepalive_requests),
    clientHeaderTimeoutMs: ms(http.client_header_timeout),
    clientBodyTimeoutMs: ms(http.client_body_timeout),
    clientMaxBodySize: bytes(http.client_max_body_size),
    sendTimeoutMs: ms(http.send_timeout),
    underscoresInHeaders: isOn(http.underscores_in_headers),
    charset: http.charset === "off" || http.charset === "" ? null : http.charset,
    ...headLimits(http),
    workerConnections: Number(nginx.event.worker_connections),
    realIpHeader: http.real_ip_header,
    realIpRecursive: isOn(http.real_ip_recursive),
    realIpFrom: (http.real_ip_from ?? []).filter((network) => network !== "unix:"),
    trustedAddresses: apisix.trusted_addresses?.filter((network) => network !== "unix:") ?? null,
  };
}

/**
 * nginx reads a head into one small buffer, and a line that does not fit into one of the
 * large ones: a line may fill the larger of the two kinds, a head all of the large ones.
 */
function headLimits(http: HttpConfig): Pick<HttpSettings, "maxRequestLine" | "maxHeaderLine" | "maxHead"> {
  const [number = "", each = ""] = http.large_client_header_buffers.trim().split(/\s+/);
  const line = Math.max(bytes(http.client_header_buffer_size), bytes(each));
  return { maxRequestLine: line, maxHeaderLine: line, maxHead: Math.max(line, Number(number) * bytes(each)) };
}

/** What APISIX reads of a GraphQL body at most. */
const DEFAULT_GRAPHQL_SIZE = 1_048_576;

function dnsSettings(apisix: CheckedConfig["apisix"]): DnsSettings {
  return {
    servers: apisix.dns_resolver?.map(dnsServer) ?? null,
    validMs: apisix.dns_resolver_valid === undefined ? null : Number(apisix.dns_resolver_valid) * 1_000,
    timeoutMs: Number(apisix.resolver_timeout) * 1_000,
    search: apisix.enable_resolv_search_opt,
    ipv6: apisix.enable_ipv6,
  };
}

function upstreamSettings({
  upstream,
  proxy_ssl_server_name: serverName,
  proxy_buffer_size: size,
}: HttpConfig): UpstreamSettings {
  return {
    keepalive: Number(upstream.keepalive),
    keepaliveRequests: Number(upstream.keepalive_requests),
    keepaliveTimeoutMs: ms(upstream.keepalive_timeout),
    maxHead: bytes(size),
    serverName: isOn(serverName),
  };
}

function statusSettings(status: StatusConfig): StatusSettings {
  return {
    ...address(status),
    allowDetails: status.allow_details.filter((network) => network !== "unix:"),
    allowHosts: status.allow_hosts,
    unresponsiveAfterMs: ms(status.unresponsive_after),
  };
}

function logSettings(nginx: CheckedConfig["nginx_config"], prefix: string): LogSettings {
  const { http } = nginx;
  const logged = http.enable_access_log && http.access_log !== "off";
  return {
    errorLog: nginx.error_log === "stderr" ? "/dev/stderr" : resolve(prefix, nginx.error_log),
    level: nginx.error_log_level,
    access: logged
      ? {
          file: resolve(prefix, http.access_log),
          format: normaliseLogFormat(http.access_log_format),
          escape: http.access_log_format_escape,
          buffer: bytes(http.access_log_buffer),
        }
      : null,
  };
}

function address({ ip, port }: Address): Address {
  return { ip: canonicalIp(ip), port };
}

function isOn(value: "on" | "off" | boolean): boolean {
  return value === true || value === "on";
}

/** Milliseconds; the schema has refused what is no duration. */
function ms(value: Scalar): number {
  return parseDuration(value) ?? 0;
}

/** Bytes; the schema has refused what is no size. */
function bytes(value: Scalar): number {
  return parseByteSize(value) ?? 0;
}
