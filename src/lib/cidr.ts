import { isIPv4, isIPv6 } from "node:net";

/**
 * Addresses and CIDR ranges compiled into comparisons of numbers, for tests on
 * every request. IPv4-mapped IPv6 addresses (`::ffff:10.0.0.1`) are IPv6, as nginx
 * and APISIX take them.
 */
export interface AddressMatcher {
  /** Whether the address lies in one of the ranges; false for what is no address. */
  matches(address: string): boolean;
}

/** An address or a CIDR range. */
export interface AddressRange {
  /** 32-bit words of the address, 1 for IPv4 and 4 for IPv6, as far as the mask reaches. */
  readonly words: readonly number[];
  readonly masks: readonly number[];
}

/**
 * Compiles addresses and CIDR ranges (`10.0.0.0/8`, `::1`, `fe80::/10`).
 * Bits beyond the prefix are ignored, so `10.0.0.1/8` is `10.0.0.0/8`.
 * Throws an Error that names the first entry that is neither.
 */
export function compileAddresses(entries: readonly string[]): AddressMatcher {
  const v4: AddressRange[] = [];
  const v6: AddressRange[] = [];
  for (const entry of entries) {
    const range = parseRange(entry);
    (range.words.length > 1 ? v6 : v4).push(range);
  }
  const scratch = [0, 0, 0, 0];
  return {
    matches(address) {
      if (address.includes(":")) return v6.length > 0 && parseIpv6(address, scratch) && inside(v6, scratch);
      return v4.length > 0 && parseIpv4(address, scratch) && inside(v4, scratch);
    },
  };
}

function inside(ranges: readonly AddressRange[], words: readonly number[]): boolean {
  for (const range of ranges) {
    let i = 0;
    while (i < range.words.length && ((words[i] as number) & (range.masks[i] as number)) === range.words[i]) i++;
    if (i === range.words.length) return true;
  }
  return false;
}

/** Reads an entry of `compileAddresses`. Throws an Error that names it where it is neither. */
export function parseRange(entry: string): AddressRange {
  const slash = entry.indexOf("/");
  const address = slash < 0 ? entry : entry.slice(0, slash);
  const v6 = isIPv6(address);
  const bits = v6 ? 128 : 32;
  const suffix = slash < 0 ? String(bits) : entry.slice(slash + 1);
  const prefix = Number(suffix);
  const parsed = [0, 0, 0, 0];
  const valid = v6 ? parseIpv6(address, parsed) : isIPv4(address) && parseIpv4(address, parsed);
  if (!valid || !/^\d{1,3}$/.test(suffix) || prefix > bits) throw new Error(`invalid IP address or CIDR: ${entry}`);
  const masks = Array.from({ length: bits / 32 }, (_, i) => maskOf(prefix - i * 32));
  return { masks, words: masks.map((mask, i) => (parsed[i] as number) & mask) };
}

/** The 32-bit words of an address, 1 for IPv4 and 4 for IPv6; `null` for what is no address. */
export function addressWords(address: string): readonly number[] | null {
  const v6 = address.includes(":");
  const words = v6 ? [0, 0, 0, 0] : [0];
  return (v6 ? parseIpv6(address, words) : parseIpv4(address, words)) ? words : null;
}

/** The mask of a word of which the first `bits` bits count. */
function maskOf(bits: number): number {
  if (bits <= 0) return 0;
  return bits >= 32 ? -1 : -1 << (32 - bits);
}

/** The bytes of an address, 4 or 16, one character each; `undefined` for what is no address. */
export function packedAddress(address: string): string | undefined {
  const words = addressWords(address);
  if (words === null) return undefined;
  let bytes = "";
  for (const word of words) {
    bytes += String.fromCharCode(word >>> 24, (word >>> 16) & 0xff, (word >>> 8) & 0xff, word & 0xff);
  }
  return bytes;
}

/** Reads dotted IPv4 from `start` into `out[word]`; false for anything else. */
function parseIpv4(text: string, out: number[], start = 0, word = 0): boolean {
  let value = 0;
  let octet = -1;
  let dots = 0;
  for (let i = start; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 46 && octet >= 0 && dots < 3) {
      value = (value << 8) | octet;
      octet = -1;
      dots++;
    } else if (code >= 48 && code <= 57 && octet !== 0) {
      octet = (octet < 0 ? 0 : octet) * 10 + code - 48;
      if (octet > 255) return false;
    } else return false;
  }
  out[word] = (value << 8) | octet;
  return dots === 3 && octet >= 0;
}

/** Reads IPv6 (RFC 4291, section 2.2) into the four words of `out`; false for anything else. */
function parseIpv6(text: string, out: number[]): boolean {
  // Zone identifiers (`fe80::1%eth0`) name an interface of this host, not an address.
  const percent = text.indexOf("%");
  const address = percent < 0 ? text : text.slice(0, percent);
  if (!isIPv6(address)) return false;
  out.fill(0);
  const dotted = address.includes(".");
  const last = dotted ? address.lastIndexOf(":") : address.length;
  const groups = dotted ? 6 : 8;
  const gap = address.indexOf("::");
  if (gap < 0) fillGroups(address, 0, last, out, 0);
  else {
    fillGroups(address, 0, gap, out, 0);
    const tail = gap + 2 < last ? countGroups(address, gap + 2, last) : 0;
    fillGroups(address, gap + 2, last, out, groups - tail);
  }
  return !dotted || parseIpv4(address, out, last + 1, 3);
}

function countGroups(text: string, from: number, to: number): number {
  let count = 1;
  for (let i = from; i < to; i++) if (text.charCodeAt(i) === 58) count++;
  return count;
}

/** Puts the groups of 16 bits in `text` between `from` and `to` at `group` and following. */
function fillGroups(text: string, from: number, to: number, out: number[], group: number): void {
  if (from >= to) return;
  let at = group;
  let value = 0;
  for (let i = from; i <= to; i++) {
    const code = i === to ? 58 : text.charCodeAt(i);
    if (code !== 58) {
      value = (value << 4) | (code <= 57 ? code - 48 : (code | 32) - 87);
      continue;
    }
    const word = at >> 1;
    out[word] = (out[word] as number) | ((at & 1) === 0 ? value << 16 : value);
    value = 0;
    at++;
  }
}
