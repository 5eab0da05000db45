/** Host as the client may send it: a registered name, an IPv4 address or an IPv6 address in brackets. */
const HOST = /^(?:[A-Za-z0-9._~!$&'()*+;=%-]+|\[[0-9A-Fa-f:.]+\])(?::\d{0,8})?$/;

/**
 * Whether the value names one host (RFC 9110, section 7.2). Empty labels are refused as
 * nginx does, and so is the comma that the grammar would allow: it is what two joined
 * fields look like.
 */
export function isHostValid(value: string): boolean {
  return HOST.test(value) && !value.includes("..");
}

/** The host in lower case without port and final dot, as routes are matched with. */
export function hostName(value: string): string {
  const colon = value.lastIndexOf(":");
  let name = colon >= 0 && colon > value.lastIndexOf("]") ? value.slice(0, colon) : value;
  if (name.endsWith(".")) name = name.slice(0, -1);
  return name.toLowerCase();
}

/** The port in a Host value; `""` without one. */
export function hostPort(value: string): string {
  const colon = value.lastIndexOf(":");
  return colon >= 0 && colon > value.lastIndexOf("]") ? value.slice(colon + 1) : "";
}
