import { resolve } from "node:path";
import { parseListen } from "./address.ts";
import { normaliseLogFormat } from "./access-log-format.ts";
import type { CheckedConfig, StreamListen } from "./checked-config.ts";
import { tlsSettings } from "./tls-settings.ts";
import type { Report } from "./report.ts";
import type { AccessLogSettings, Address, StreamListener, StreamSettings } from "./settings.ts";

/** Bytes of lines gathered before they are written: APISIX has no key for it here. */
const LOG_BUFFER = 16_384;

/** Where TCP and UDP are served; `null` where this node serves neither. */
export function streamSettings(config: CheckedConfig, prefix: string): StreamSettings | null {
  const { apisix, nginx_config: nginx } = config;
  if (!servesStreams(config)) return null;
  const { udp = [] } = apisix.stream_proxy;
  const { stream } = nginx;
  const access: AccessLogSettings | null =
    stream.enable_access_log && stream.access_log !== "off"
      ? {
          file: resolve(prefix, stream.access_log),
          format: normaliseLogFormat(stream.access_log_format),
          escape: stream.access_log_format_escape,
          buffer: LOG_BUFFER,
        }
      : null;
  const tcp = tcpListeners(config);
  return {
    tcp,
    tls: tcp.some(({ tls }) => tls) ? tlsSettings({ ...apisix.ssl, enable: true }) : null,
    udp: distinct(udp.map(listenAddress)),
    proxyProtocol: apisix.proxy_protocol.enable_tcp_pp,
    proxyProtocolToUpstream: apisix.proxy_protocol.enable_tcp_pp_to_upstream,
    access,
  };
}

/** `apisix.stream_proxy.tcp` where it is served, each address once. */
export function tcpListeners(config: CheckedConfig): readonly StreamListener[] {
  const { tcp = [] } = config.apisix.stream_proxy;
  return servesStreams(config) ? distinct(tcp.filter(hasAddress).map(tcpListener)) : [];
}

function distinct<A extends Address>(addresses: readonly A[]): A[] {
  return addresses.filter(
    ({ ip, port }, i) => addresses.findIndex((other) => other.ip === ip && other.port === port) === i,
  );
}

/** Whether this node carries traffic of the kind at all. */
export function servesHttp({ apisix, deployment }: CheckedConfig): boolean {
  return deployment.role !== "control_plane" && apisix.proxy_mode !== "stream";
}

/** See `servesHttp`. */
export function servesStreams({ apisix, deployment }: CheckedConfig): boolean {
  return deployment.role !== "control_plane" && apisix.proxy_mode !== "http";
}

/** Reports mappings under `stream_proxy.tcp` that do not say where to listen. */
export function reportStreams({ apisix }: CheckedConfig, report: Report): void {
  for (const [index, written] of (apisix.stream_proxy.tcp ?? []).entries()) {
    if (!hasAddress(written)) report.error(["apisix", "stream_proxy", "tcp", index], "expected a mapping with addr");
  }
}

type Written = number | string | StreamListen;

function hasAddress(written: number | string | Partial<StreamListen>): written is Written {
  return typeof written !== "object" || written.addr !== undefined;
}

function tcpListener(written: Written): StreamListener {
  if (typeof written !== "object") return { ...listenAddress(written), tls: false };
  return { ...listenAddress(written.addr), tls: written.tls };
}

/** What `format: listen` has let through. A plain port is on all of IPv4, as in APISIX. */
function listenAddress(written: number | string): Address {
  if (typeof written === "number") return { ip: "0.0.0.0", port: written };
  const address = parseListen(written);
  if (address === null) throw new Error(`not an address: ${written}`);
  return address;
}
