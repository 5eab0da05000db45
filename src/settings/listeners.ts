import { addressesOverlap, canonicalIp } from "./address.ts";
import { adminAddress } from "./admin-settings.ts";
import type { CheckedConfig, HttpsListen, NodeListen } from "./checked-config.ts";
import { type KeyPath, pathsTouch } from "./key-path.ts";
import type { Report } from "./report.ts";
import { servesHttp, tcpListeners } from "./stream-settings.ts";
import type { Address, HttpListen } from "./settings.ts";

/** A socket that this configuration opens. */
interface Listener {
  /** As messages say it. */
  readonly name:
    "admin" | "control" | "prometheus" | "http listen" | "https listen" | "proxy protocol" | "stream tcp" | "status";
  readonly address: Address;
  /** Where its port stands. */
  readonly path: KeyPath;
}

/** `apisix.node_listen` with one row per address and family, each once. */
export function httpAddresses(config: CheckedConfig): Address[] {
  const { node_listen: written, enable_ipv6: ipv6 } = config.apisix;
  const entries = typeof written === "number" ? [written] : written;
  return distinct(entries.flatMap((entry) => entryAddresses(entry, 9080, ipv6)));
}

/** `apisix.ssl.listen` in the same way; empty where TLS is turned off. */
function httpsAddresses({ apisix: { ssl, enable_ipv6: ipv6 } }: CheckedConfig): Address[] {
  return ssl.enable ? distinct(ssl.listen.flatMap((entry) => entryAddresses(entry, 9443, ipv6))) : [];
}

/** Everything that HTTP is served on; an address that is written twice counts as it is written first. */
export function httpListeners(config: CheckedConfig): HttpListen[] {
  const { apisix } = config;
  const { node_listen: written, enable_ipv6: ipv6, enable_http2: allowed } = apisix;
  const plain = (typeof written === "number" ? [written] : written).flatMap((entry) => {
    const http2 = allowed && (typeof entry === "number" || entry.enable_http2 !== false);
    return entryAddresses(entry, 9080, ipv6).map((address) => ({
      ...address,
      tls: false,
      http2,
      proxyProtocol: false,
    }));
  });
  const secure = (apisix.ssl.enable ? apisix.ssl.listen : []).flatMap((entry) =>
    entryAddresses(entry, 9443, ipv6).map((address) => ({
      ...address,
      tls: true,
      http2: allowed && entry.enable_http2 !== false,
      proxyProtocol: false,
    })),
  );
  return distinct([...plain, ...secure, ...proxyListeners(config)]);
}

/** The ports of `apisix.proxy_protocol`, on all of IPv4, as in APISIX. */
function proxyListeners({ apisix }: CheckedConfig): HttpListen[] {
  const { listen_http_port: plain, listen_https_port: secure } = apisix.proxy_protocol;
  const common = { ip: "0.0.0.0", http2: apisix.enable_http2, proxyProtocol: true };
  return [
    ...(plain === undefined ? [] : [{ ...common, port: plain, tls: false }]),
    ...(secure === undefined || !apisix.ssl.enable ? [] : [{ ...common, port: secure, tls: true }]),
  ];
}

function entryAddresses(entry: number | NodeListen | HttpsListen, fallback: number, ipv6: boolean): Address[] {
  if (typeof entry === "number") return entryAddresses({ port: entry }, fallback, ipv6);
  const port = entry.port ?? fallback;
  if (entry.ip !== undefined) return [{ ip: canonicalIp(entry.ip), port }];
  const alsoIpv6 = ipv6 && !("enable_ipv6" in entry && entry.enable_ipv6 === false);
  return [{ ip: "0.0.0.0", port }, ...(alsoIpv6 ? [{ ip: "::", port }] : [])];
}

function distinct<A extends Address>(addresses: readonly A[]): A[] {
  return addresses.filter(
    (address, index) =>
      address.port === 0 ||
      addresses.findIndex((other) => other.ip === address.ip && other.port === address.port) === index,
  );
}

/**
 * Reports ports that two listeners of different kinds would both need.
 * `invalid`: keys that are reported already and say nothing about what was meant.
 * `isWritten`: whether the file has the key; the finding goes to a line that can be changed.
 */
export function reportConflicts(
  config: CheckedConfig,
  invalid: readonly KeyPath[],
  isWritten: (path: KeyPath) => boolean,
  report: Report,
): void {
  const listeners = listenersOf(config).filter(({ path }) => !invalid.some((other) => pathsTouch(other, path)));
  const seen = new Set<string>();
  for (const [index, later] of listeners.entries()) {
    for (const earlier of listeners.slice(0, index)) {
      if (later.name === earlier.name || !addressesOverlap(later.address, earlier.address)) continue;
      const message = `${later.name} port ${later.address.port} conflicts with ${earlier.name} port`;
      if (seen.has(message)) continue;
      seen.add(message);
      report.error(!isWritten(later.path) && isWritten(earlier.path) ? earlier.path : later.path, message);
    }
  }
}

/** What would be opened, status last: a conflict with it is a conflict of the status port. */
function listenersOf(config: CheckedConfig): Listener[] {
  const { apisix, deployment, plugins, plugin_attr: attributes } = config;
  const { prometheus } = attributes;
  const listeners: Listener[] = [];
  const add = (name: Listener["name"], { ip, port }: Address, path: KeyPath): void => {
    listeners.push({ name, address: { ip: canonicalIp(ip), port }, path });
  };

  if (apisix.enable_admin && deployment.role !== "data_plane") {
    add("admin", adminAddress(deployment.admin), ["deployment", "admin", "admin_listen", "port"]);
  }
  if (apisix.enable_control) add("control", apisix.control, ["apisix", "control", "port"]);
  if (prometheus.enable_export_server && plugins.includes("prometheus")) {
    add("prometheus", prometheus.export_addr, ["plugin_attr", "prometheus", "export_addr", "port"]);
  }
  const traffic = servesHttp(config);
  for (const address of traffic ? httpAddresses(config) : []) add("http listen", address, ["apisix", "node_listen"]);
  // UDP has ports of its own.
  for (const address of tcpListeners(config)) add("stream tcp", address, ["apisix", "stream_proxy", "tcp"]);
  for (const address of traffic ? httpsAddresses(config) : [])
    add("https listen", address, ["apisix", "ssl", "listen"]);
  for (const address of traffic ? proxyListeners(config) : []) {
    add("proxy protocol", address, ["apisix", "proxy_protocol", `listen_http${address.tls ? "s" : ""}_port`]);
  }
  if (typeof apisix.status === "object" && apisix.status !== null) {
    add("status", apisix.status, ["apisix", "status", "port"]);
  }
  return listeners;
}
