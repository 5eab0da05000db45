/**
 * What `conf/config.yaml` says, with APISIX's defaults filled in, environment
 * variables put in, checked and normalised: times in milliseconds, sizes in bytes,
 * paths absolute. Frozen, and cloneable to every thread.
 */
export interface Settings {
  /** Absolute directory that holds conf/, logs/ and data/. */
  readonly prefix: string;
  /** Absolute path of the config.yaml that was read. */
  readonly configFile: string;
  /** Configured number of workers, 1–256; worker ids are 0 … workers − 1. */
  readonly workers: number;
  readonly http: HttpSettings;
  /** `null`: neither TCP nor UDP is proxied. */
  readonly stream: StreamSettings | null;
  /** `apisix.ssl`; `null`: turned off. */
  readonly tls: TlsSettings | null;
  readonly upstream: UpstreamSettings;
  /** `apisix.ssl.ssl_trusted_certificate`: a file in PEM form; `null`: what the system trusts. */
  readonly trustedCertificates: string | null;
  readonly matching: MatchingSettings;
  readonly dns: DnsSettings;
  readonly discovery: DiscoverySettings;
  /** `apisix.disable_upstream_healthcheck`: nodes are neither probed nor judged. */
  readonly healthChecksOff: boolean;
  readonly router: "radixtree_host_uri" | "radixtree_uri" | "radixtree_uri_with_parameter";
  /** `null`: the Status API is turned off. */
  readonly status: StatusSettings | null;
  /** `null`: the Control API is turned off (`enable_control: false`). */
  readonly control: Address | null;
  readonly source: SourceSettings;
  /** `apisix.id`; `null`: the one in data/node.id. */
  readonly nodeId: string | null;
  /** `deployment.role`. A control plane serves no traffic: its `http.listen` is empty. */
  readonly role: "traditional" | "control_plane" | "data_plane";
  /** `null`: this node has no Admin API. */
  readonly admin: AdminSettings | null;
  readonly dataEncryption: DataEncryptionSettings;
  /** `apisix.proxy_mode`. */
  readonly proxyMode: "http" | "stream" | "http&stream";
  readonly shutdown: ShutdownSettings;
  readonly log: LogSettings;
  /** Names of the enabled plugins. */
  readonly plugins: readonly string[];
  /** `stream_plugins`: names of the plugins that stream routes may use. */
  readonly streamPlugins: readonly string[];
  /** `plugin_attr.prometheus`; `null`: the plugin is not enabled, nothing is exported. */
  readonly prometheus: PrometheusSettings | null;
  /** `apisix.extra_plugins`: files (`./…`, `../…`, `/…`) and names of packages, each once. */
  readonly extraPlugins: readonly string[];
  /**
   * `plugin_attr` as written; `redirect.https_port` is there in any case where `apisix.ssl` is
   * enabled, and `proxy-cache` has what `apisix.proxy_cache` says (`CacheSettings`).
   */
  readonly pluginAttr: Readonly<Record<string, unknown>>;
  /** `apisix.show_revision_in_response_header`. */
  readonly showRevision: boolean;
  /** `apisix.show_upstream_status_in_response_header`. */
  readonly showUpstreamStatus: boolean;
  /** `apisix.enable_server_tokens`. */
  readonly serverTokens: boolean;
  /** `apisix.tcp_migrate_req`: set net.ipv4.tcp_migrate_req=1 at start where allowed. */
  readonly tcpMigrateReq: boolean;
}

/** An IP address in canonical text form without brackets, and a port (0: any free one, tests only). */
export interface Address {
  readonly ip: string;
  readonly port: number;
}

/** An address that HTTP is served on. */
export interface HttpListen extends Address {
  readonly tls: boolean;
  /** HTTP/2 as well as HTTP/1.1: by ALPN with TLS, by its preface in clear text. */
  readonly http2: boolean;
  /** Each connection begins with a PROXY header. */
  readonly proxyProtocol: boolean;
}

export type TlsVersion = "TLSv1.1" | "TLSv1.2" | "TLSv1.3";

/** `apisix.ssl`, but for where it listens. */
export interface TlsSettings {
  /** At least one; an `ssl` resource may have others. */
  readonly protocols: readonly TlsVersion[];
  /** OpenSSL's list for versions before 1.3. */
  readonly ciphers: string;
  readonly sessionTickets: boolean;
  /** The name that is assumed where a client sends none that is known; `null`: none. */
  readonly fallbackSni: string | null;
}

export interface HttpSettings {
  /** `apisix.node_listen` and `apisix.ssl.listen`, one row per address and family; empty with `proxy_mode: stream`. */
  readonly listen: readonly HttpListen[];
  readonly deleteUriTailSlash: boolean;
  readonly normalizeUriLikeServlet: boolean;
  /** The names of `nginx_config.http`; 0 means unlimited. */
  readonly keepaliveTimeoutMs: number;
  readonly keepaliveRequests: number;
  readonly clientHeaderTimeoutMs: number;
  readonly clientBodyTimeoutMs: number;
  readonly clientMaxBodySize: number;
  readonly sendTimeoutMs: number;
  readonly underscoresInHeaders: boolean;
  /** Of text types that come without one; `null`: none is added. */
  readonly charset: string | null;
  /** Bytes that the request line may take (414 beyond). */
  readonly maxRequestLine: number;
  /** Bytes that one header line may take, and all of them together (400 / 431 beyond). */
  readonly maxHeaderLine: number;
  readonly maxHead: number;
  /** `nginx_config.event.worker_connections`. */
  readonly workerConnections: number;
  readonly realIpHeader: string;
  readonly realIpRecursive: boolean;
  /** Addresses and CIDRs whose `realIpHeader` is believed; `unix:` is dropped. */
  readonly realIpFrom: readonly string[];
  /** `apisix.trusted_addresses`, `null` where not configured. */
  readonly trustedAddresses: readonly string[] | null;
}

/** `apisix.stream_proxy`. */
export interface StreamSettings {
  readonly tcp: readonly StreamListener[];
  readonly udp: readonly Address[];
  /** `proxy_protocol.enable_tcp_pp`: connections on `tcp` begin with a PROXY header. */
  readonly proxyProtocol: boolean;
  /** `proxy_protocol.enable_tcp_pp_to_upstream`: so do those to nodes. */
  readonly proxyProtocolToUpstream: boolean;
  /** How listeners with TLS speak it: `apisix.ssl`, whether enabled or not; `null`: there is none. */
  readonly tls: TlsSettings | null;
  /** `nginx_config.stream.access_log`; `null`: not enabled. */
  readonly access: AccessLogSettings | null;
}

export interface StreamListener extends Address {
  /** Clients speak TLS. */
  readonly tls: boolean;
}

/** What conditions of routes may look at. */
export interface MatchingSettings {
  /** `apisix.match_uri_encoded_slash`. */
  readonly encodedSlash: boolean;
  /** `graphql.max_size`: bytes of a body that may be read for `graphql_*`. */
  readonly graphqlMaxSize: number;
  /** `apisix.max_post_args_readable_size` in bytes: of a body that may be read for `post_arg*`. */
  readonly postArgMaxSize: number;
}

/** How names of nodes are resolved. */
export interface DnsSettings {
  /** `apisix.dns_resolver`; `null`: the servers of /etc/resolv.conf. */
  readonly servers: readonly Address[] | null;
  /** `apisix.dns_resolver_valid`: for how long an answer counts; `null`: as long as its TTL says. */
  readonly validMs: number | null;
  /** `apisix.resolver_timeout`. */
  readonly timeoutMs: number;
  /** `apisix.enable_resolv_search_opt`: whether the search list of resolv.conf is used. */
  readonly search: boolean;
  /** `apisix.enable_ipv6`: whether names are asked for addresses of IPv6 where they have none of IPv4. */
  readonly ipv6: boolean;
}

/** `discovery`: where services are looked up; `null`: not in there. */
export interface DiscoverySettings {
  readonly dns: {
    /** `null`: those of `resolvConf`. */
    readonly servers: readonly Address[] | null;
    readonly resolvConf: string | null;
    readonly order: DnsRecordOrder;
  } | null;
  readonly consul: ConsulSettings | null;
  /** One cluster without an id, or several with one each; empty: none. */
  readonly kubernetes: readonly KubernetesSettings[];
}

/** Types of records in the order in which they are asked for; `last`: the one that was found the last time. */
export type DnsRecordOrder = readonly ("last" | "SRV" | "A" | "AAAA" | "CNAME")[];

export interface KubernetesSettings {
  readonly id: string | null;
  readonly secure: boolean;
  readonly host: string;
  readonly port: number;
  /** Never logged, never shown. */
  readonly token: string | null;
  /** Read anew for every request; `null`: `token` counts. */
  readonly tokenFile: string | null;
  /** Whether the server's certificate is checked. */
  readonly verify: boolean;
  /** The authority of the cluster that the gateway is a pod of; `null`: it is another one, or none is known. */
  readonly caFile: string | null;
  /** EndpointSlices are watched instead of Endpoints. */
  readonly slices: boolean;
  readonly weight: number;
  readonly namespaces: {
    readonly equal?: string;
    readonly notEqual?: string;
    readonly match?: readonly string[];
    readonly notMatch?: readonly string[];
  };
  readonly labelSelector: string | null;
  readonly watchSeconds: number;
  /** Up to so many seconds are added to them, at random. */
  readonly jitterSeconds: number;
  /** The pause after a failure; doubled with each further one up to `maxRetryMs`. */
  readonly retryMs: number;
  readonly maxRetryMs: number;
}

export interface ConsulSettings {
  /** Without a slash at the end. */
  readonly servers: readonly string[];
  /** Never logged, never shown. */
  readonly token: string | null;
  /** How long an answer may take that is not held back, connection included. */
  readonly answerMs: number;
  /** How long a server may hold an answer back until something changes; `null`: it is asked again and again. */
  readonly waitMs: number | null;
  readonly intervalMs: number;
  readonly weight: number;
  /** Services that are never asked for. */
  readonly skipped: readonly string[];
  /** The node of services for which no server knows an instance; `null`: they have none. */
  readonly fallback: { readonly host: string; readonly port: number; readonly weight: number } | null;
}

/** `apisix.proxy_cache`. */
export interface CacheSettings {
  /** How long answers are kept on disk that do not say. */
  readonly ttlMs: number;
  readonly zones: readonly CacheZoneSettings[];
}

export interface CacheZoneSettings {
  readonly name: string;
  /** Bytes in each worker. */
  readonly memoryBytes: number;
  /** `null`: the cache is in memory. `levels`: how many digits of a name each directory takes. */
  readonly disk: { readonly path: string; readonly bytes: number; readonly levels: readonly number[] } | null;
}

/** `nginx_config.http.upstream`. */
export interface UpstreamSettings {
  /** Idle connections kept per worker and node. */
  readonly keepalive: number;
  readonly keepaliveRequests: number;
  readonly keepaliveTimeoutMs: number;
  /** `proxy_buffer_size`: bytes that the head of an answer may have. */
  readonly maxHead: number;
  /** `proxy_ssl_server_name`: whether requests over TLS ask for the node's certificate by name. */
  readonly serverName: boolean;
}

export interface StatusSettings extends Address {
  /** CIDRs whose peers may read more than the seed's two endpoints. */
  readonly allowDetails: readonly string[];
  /** Names in `Host` under which details are answered, apart from those that always are. */
  readonly allowHosts: readonly string[];
  /** `apisix.status.unresponsive_after`. */
  readonly unresponsiveAfterMs: number;
}

export type SourceSettings =
  /** `config_provider: yaml`, `file` is conf/apisix.yaml. */
  | { readonly kind: "yaml"; readonly file: string }
  /** `config_provider: json`, `file` is conf/apisix.json. */
  | { readonly kind: "json"; readonly file: string }
  /** Role traditional with `config_provider: yaml`: whole configurations are pushed through the Admin API. */
  | { readonly kind: "api" }
  /** `config_provider: embedded`, `file` is data/turnpike.db. */
  | { readonly kind: "embedded"; readonly file: string }
  /** `config_provider: etcd`. */
  | { readonly kind: "etcd"; readonly etcd: EtcdSettings };

/** `deployment.etcd`. */
export interface EtcdSettings {
  /** Addresses such as http://127.0.0.1:2379, without a slash at the end. */
  readonly hosts: readonly string[];
  /** `/apisix`; without a slash at the end. */
  readonly prefix: string;
  readonly user: string | null;
  readonly password: string | null;
  readonly timeoutMs: number;
  readonly watchTimeoutMs: number;
  readonly healthCheckTimeoutMs: number;
  readonly startupRetry: number;
  readonly tls: EtcdTlsSettings | null;
}

export interface EtcdTlsSettings {
  readonly certFile: string | null;
  readonly keyFile: string | null;
  readonly caFile: string | null;
  readonly verify: boolean;
  readonly serverName: string | null;
}

/** `deployment.admin`. */
export interface AdminSettings {
  readonly listen: Address;
  /** The keys that config.yaml has; never logged, never shown. */
  readonly keys: readonly AdminKey[];
  readonly keyRequired: boolean;
  /** Where a generated key of role admin is kept (mode 0600); `null`: every key is written in config.yaml. */
  readonly generatedKeyFile: string | null;
  /** Addresses and CIDRs that may use it; `null`: everybody. */
  readonly allow: readonly string[] | null;
  readonly cors: boolean;
  readonly version: "v3" | "v2";
  /** `https_admin`; absolute paths. */
  readonly tls: {
    readonly certFile: string | null;
    readonly keyFile: string | null;
    readonly caFile: string | null;
  } | null;
}

export interface AdminKey {
  readonly name: string;
  readonly key: string;
  readonly role: "admin" | "viewer";
}

/** `apisix.data_encryption`. */
export interface DataEncryptionSettings {
  /** Whether fields of plugins are encrypted at rest; private keys always are. */
  readonly enabled: boolean;
  /** AES-128 keys of 16 bytes; the first encrypts, all decrypt. Never logged, never shown. */
  readonly keyring: readonly string[];
}

/** `plugin_attr.prometheus`. */
export interface PrometheusSettings {
  /** Where metrics are served; `null`: nowhere but through `public-api` (`enable_export_server: false`). */
  readonly listen: Address | null;
  /** `export_uri`. */
  readonly uri: string;
  /** `metric_prefix`. */
  readonly prefix: string;
  readonly metrics: Readonly<Record<"http_status" | "http_latency" | "bandwidth", MetricSettings>>;
  /** `default_buckets`: upper bounds of `http_latency`, milliseconds, ascending. */
  readonly buckets: readonly number[];
  /** `max_series`: sets of labels of one metric that a worker counts. */
  readonly maxSeries: number;
}

/** What settings say of one metric. */
export interface MetricSettings {
  /** `extra_labels`: labels with the variable that fills each. */
  readonly extraLabels: readonly { readonly name: string; readonly variable: string }[];
  /** `expire`: a series goes after this time without a change; 0: never. */
  readonly expireMs: number;
}

export interface ShutdownSettings {
  /** `apisix.shutdown_delay`: how long new connections are still accepted after the signal. */
  readonly delayMs: number;
  /** `nginx_config.worker_shutdown_timeout`: the deadline for requests in flight. */
  readonly timeoutMs: number;
}

export interface LogSettings {
  /** Absolute path, or `/dev/stderr`, `/dev/stdout`. */
  readonly errorLog: string;
  readonly level: "debug" | "info" | "notice" | "warn" | "error" | "crit" | "alert" | "emerg";
  /** `null`: `enable_access_log: false`. */
  readonly access: AccessLogSettings | null;
}

export interface AccessLogSettings {
  /** Absolute path, or `/dev/stdout`, `/dev/stderr`. */
  readonly file: string;
  readonly format: string;
  readonly escape: "default" | "json" | "none";
  /** `access_log_buffer`: bytes gathered before a write. */
  readonly buffer: number;
}

/** Something in a settings or standalone file that is wrong (`error`) or worth saying (`warning`). */
export interface Finding {
  readonly severity: "error" | "warning";
  readonly file: string;
  /** 1-based; 0 where no line can be named. */
  readonly line: number;
  /** The key's path, as in `apisix.status.port` or `routes[2].uri`. */
  readonly field: string;
  /** What is wrong, with the value found and what is expected. */
  readonly message: string;
}

/** One line for people: `conf/config.yaml:7: apisix.status.port: …`. */
export function formatFinding(finding: Finding): string {
  const where = finding.line > 0 ? `${finding.file}:${finding.line}` : finding.file;
  const what = finding.field === "" ? finding.message : `${finding.field}: ${finding.message}`;
  return finding.severity === "warning" ? `${where}: warning: ${what}` : `${where}: ${what}`;
}
