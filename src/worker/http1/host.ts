import type { RouteEntry } from "../../compile/route-entry.ts";
import { RememberedHost } from "../../compile/remembered-host.ts";
import { flat } from "../../lib/flat-string.ts";
import { hostName } from "../../lib/host-name.ts";
import { TextMap } from "../../lib/text-map.ts";

/** A Host as sent, with what is derived from it. */
export class Host extends RememberedHost<RouteEntry> {
  readonly value: string;
  /** In lower case without port and final dot, as routes are matched with. */
  readonly name: string;
  /** `""` without one. */
  readonly port: string;

  constructor(value: string) {
    super();
    this.value = value;
    this.name = hostName(value);
    this.port = hostPort(value);
  }
}

/** Host as the client may send it: a registered name, an IPv4 address or an IPv6 address in brackets. */
const HOST = /^(?:[A-Za-z0-9._~!$&'()*+;=%-]+|\[[0-9A-Fa-f:.]+\])(?::\d{0,8})?$/;

/** Hosts seen lately; a client that makes up hosts makes it start anew. Long ones would take much memory. */
const seen = new TextMap<Host>();
const MAX_SEEN = 8_192;
const MAX_SEEN_LENGTH = 128;

/**
 * Reads a Host (RFC 9110, section 7.2); `null` where it does not name one host. Empty
 * labels are refused as nginx does, and so is the comma that the grammar would allow: it
 * is what two joined fields look like.
 */
export function parseHost(value: string): Host | null {
  const known = seen.get(value);
  if (known !== undefined) return known;
  if (!HOST.test(value) || value.includes("..")) return null;
  const host = new Host(flat(value));
  if (value.length <= MAX_SEEN_LENGTH) seen.remember(host.value, host, MAX_SEEN);
  return host;
}

function hostPort(value: string): string {
  const colon = value.lastIndexOf(":");
  return colon >= 0 && colon > value.lastIndexOf("]") ? value.slice(colon + 1) : "";
}
