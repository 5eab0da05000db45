import type { PrometheusConfig } from "./prometheus-settings.ts";
import type { DnsRecordOrder, LogSettings, Settings } from "./settings.ts";

/**
 * A config.yaml that meets the schema, with defaults: what of it is read here. Times,
 * sizes and counts are still as written.
 */
export interface CheckedConfig {
  readonly apisix: {
    readonly node_listen: number | readonly (number | NodeListen)[];
    readonly enable_ipv6: boolean;
    readonly status: StatusConfig | false | null;
    readonly enable_control: boolean;
    readonly control: { readonly ip: string; readonly port: number };
    readonly enable_dev_mode: boolean;
    readonly enable_admin: boolean;
    readonly proxy_mode: Settings["proxyMode"];
    readonly data_encryption: { readonly enable_encrypt_fields: boolean; readonly keyring: readonly string[] };
    readonly router: { readonly http: Settings["router"] };
    readonly delete_uri_tail_slash: boolean;
    readonly match_uri_encoded_slash: boolean;
    readonly max_post_args_readable_size: Scalar;
    readonly dns_resolver?: readonly string[];
    readonly dns_resolver_valid?: Scalar;
    readonly resolver_timeout: Scalar;
    readonly enable_resolv_search_opt: boolean;
    readonly disable_upstream_healthcheck: boolean;
    readonly normalize_uri_like_servlet: boolean;
    readonly show_upstream_status_in_response_header: boolean;
    readonly enable_server_tokens: boolean;
    readonly trusted_addresses?: readonly string[];
    readonly shutdown_delay: Scalar;
    readonly show_revision_in_response_header: boolean;
    readonly tcp_migrate_req: boolean;
    readonly id?: string;
    readonly proxy_cache: { readonly cache_ttl: Scalar; readonly zones: readonly CacheZoneConfig[] };
    readonly extra_plugins: readonly string[];
    readonly proxy_protocol: {
      readonly listen_http_port?: number;
      readonly listen_https_port?: number;
      readonly enable_tcp_pp: boolean;
      readonly enable_tcp_pp_to_upstream: boolean;
    };
    readonly stream_proxy: {
      readonly tcp?: readonly (number | string | Partial<StreamListen>)[];
      readonly udp?: readonly (number | string)[];
    };
    readonly enable_http2: boolean;
    readonly ssl: SslConfig;
  };
  readonly nginx_config: {
    readonly worker_processes: Scalar;
    readonly worker_shutdown_timeout: Scalar;
    readonly error_log: string;
    readonly error_log_level: LogSettings["level"];
    readonly event: { readonly worker_connections: Scalar };
    readonly http: HttpConfig;
    readonly stream: StreamConfig;
  };
  readonly deployment: {
    readonly role: "traditional" | "control_plane" | "data_plane";
    readonly role_data_plane: { readonly config_provider?: string };
    readonly role_traditional: { readonly config_provider?: string };
    readonly role_control_plane: { readonly config_provider?: string };
    readonly admin: AdminConfig;
    readonly etcd?: EtcdConfig;
  };
  readonly discovery?: DiscoveryConfig;
  readonly graphql: { readonly max_size?: Scalar };
  readonly plugins: readonly string[];
  readonly stream_plugins: readonly string[];
  readonly plugin_attr: {
    readonly prometheus: PrometheusConfig & {
      readonly enable_export_server: boolean;
      readonly export_addr: { readonly ip: string; readonly port: number };
    };
  };
}

/** `discovery`. */
export interface DiscoveryConfig {
  readonly dns?: {
    readonly servers?: readonly string[];
    readonly resolv_conf?: string;
    readonly order: DnsRecordOrder;
  };
  readonly consul?: ConsulConfig;
  readonly kubernetes?: KubernetesConfig | readonly KubernetesConfig[];
}

/** `discovery.consul`. */
export interface ConsulConfig {
  readonly servers?: readonly string[];
  readonly token?: string;
  readonly keepalive: boolean;
  readonly timeout: { readonly connect: Scalar; readonly read: Scalar; readonly wait: Scalar };
  readonly fetch_interval: Scalar;
  readonly weight: Scalar;
  readonly skip_services: readonly string[];
  readonly default_service?: {
    readonly host?: string;
    readonly port?: number;
    readonly metadata: { readonly weight: Scalar };
  };
}

/** `discovery.kubernetes`, or one of its clusters. */
export interface KubernetesConfig {
  readonly id?: string;
  readonly service: {
    readonly schema: "http" | "https";
    readonly host: string;
    readonly port: Scalar;
    readonly ssl_verify?: boolean;
  };
  readonly client: { readonly token?: string; readonly token_file?: string };
  readonly default_weight: Scalar;
  readonly namespace_selector: {
    readonly equal?: string;
    readonly not_equal?: string;
    readonly match?: readonly string[];
    readonly not_match?: readonly string[];
  };
  readonly label_selector?: string;
  readonly watch_timeout_seconds: Scalar;
  readonly watch_jitter_seconds: Scalar;
  readonly watch_retry_interval_seconds: Scalar;
  readonly watch_retry_max_seconds: Scalar;
  readonly watch_endpoint_slices: boolean;
}

/** `deployment.admin`. */
export interface AdminConfig {
  readonly admin_key_required: boolean;
  readonly admin_key?: readonly {
    readonly name?: string;
    readonly key?: string | number;
    readonly role?: "admin" | "viewer";
  }[];
  readonly enable_admin_cors: boolean;
  readonly allow_admin: readonly string[];
  readonly admin_listen: { readonly ip?: string; readonly port: number };
  readonly https_admin: boolean;
  readonly admin_api_mtls: {
    readonly admin_ssl_cert?: string;
    readonly admin_ssl_cert_key?: string;
    readonly admin_ssl_ca_cert?: string;
  };
  readonly admin_api_version: "v3" | "v2";
}

/** `deployment.etcd`, with the defaults of its keys where it is written. */
export interface EtcdConfig {
  readonly host: readonly string[];
  readonly prefix: string;
  readonly user?: string;
  readonly password?: string;
  readonly timeout: Scalar;
  readonly watch_timeout: Scalar;
  readonly health_check_timeout: Scalar;
  readonly startup_retry: Scalar;
  readonly tls?: {
    readonly cert?: string;
    readonly key?: string;
    readonly ca?: string;
    readonly verify: boolean;
    readonly sni?: string;
  };
}

/** `apisix.proxy_cache.zones`. */
export interface CacheZoneConfig {
  readonly name?: string;
  readonly memory_size?: Scalar;
  readonly disk_size?: Scalar;
  readonly disk_path?: string;
  readonly cache_levels?: string;
}

/** A duration, size or count. */
export type Scalar = string | number;

export interface NodeListen {
  readonly ip?: string;
  readonly port?: number;
  readonly enable_ipv6?: boolean;
  readonly enable_http2?: boolean;
}

export interface HttpsListen {
  readonly ip?: string;
  readonly port?: number;
  readonly enable_http2?: boolean;
}

/** `apisix.ssl`. */
export interface SslConfig {
  readonly enable: boolean;
  readonly listen: readonly HttpsListen[];
  readonly ssl_trusted_certificate: string;
  readonly ssl_protocols: string;
  readonly ssl_ciphers: string;
  readonly ssl_session_tickets: boolean;
  readonly fallback_sni?: string;
}

export interface StreamListen {
  readonly addr: number | string;
  readonly tls: boolean;
}

export interface StatusConfig {
  readonly ip: string;
  readonly port: number;
  readonly allow_details: readonly string[];
  readonly allow_hosts: readonly string[];
  readonly unresponsive_after: Scalar;
}

/** `nginx_config.stream`. */
export interface StreamConfig {
  readonly enable_access_log: boolean;
  readonly access_log: string;
  readonly access_log_format: string;
  readonly access_log_format_escape: "default" | "json" | "none";
}

/** `nginx_config.http`. */
export interface HttpConfig {
  readonly enable_access_log: boolean;
  readonly access_log: string;
  readonly access_log_buffer: Scalar;
  readonly access_log_format: string;
  readonly access_log_format_escape: "default" | "json" | "none";
  readonly keepalive_timeout: Scalar;
  readonly keepalive_requests: Scalar;
  readonly client_header_timeout: Scalar;
  readonly client_body_timeout: Scalar;
  readonly client_max_body_size: Scalar;
  readonly client_header_buffer_size: Scalar;
  readonly large_client_header_buffers: string;
  readonly send_timeout: Scalar;
  readonly underscores_in_headers: "on" | "off" | boolean;
  readonly proxy_buffer_size: Scalar;
  readonly proxy_ssl_server_name: boolean | "on" | "off";
  readonly charset: string;
  readonly real_ip_header: string;
  readonly real_ip_recursive: "on" | "off" | boolean;
  readonly real_ip_from: readonly string[] | null;
  readonly upstream: {
    readonly keepalive: Scalar;
    readonly keepalive_requests: Scalar;
    readonly keepalive_timeout: Scalar;
  };
}
