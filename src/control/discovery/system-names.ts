import { readFileSync, statSync } from "node:fs";
import { isIP } from "node:net";
import type { Address } from "../../settings/settings.ts";

/** What /etc/resolv.conf says. */
export interface ResolverFile {
  readonly servers: readonly Address[];
  readonly search: readonly string[];
  /** Names with so many dots are tried as they are before the search list. */
  readonly ndots: number;
}

/** Reads the text of a resolv.conf (resolv.conf(5)); what is not understood is left out, as the system does. */
export function parseResolverFile(text: string): ResolverFile {
  const servers: Address[] = [];
  let search: readonly string[] = [];
  let ndots = 1;
  for (const line of text.split("\n")) {
    const [word, ...values] = line
      .replace(/[#;].*/, "")
      .trim()
      .split(/\s+/);
    const [first = ""] = values;
    const plain = first.replace(/%.*/, "");
    if (word === "nameserver" && isIP(plain) !== 0) servers.push({ ip: plain, port: 53 });
    else if (word === "search") search = domains(values.slice(0, 32));
    else if (word === "domain") search = domains([first]);
    else if (word === "options") {
      const dots = values.map((option) => /^ndots:(\d+)$/.exec(option)?.[1]).find((value) => value !== undefined);
      if (dots !== undefined) ndots = Math.min(Number(dots), 15);
    }
  }
  return { servers, search, ndots };
}

/** Without the root, which says that there is no search list, and without dots at the end. */
function domains(written: readonly string[]): readonly string[] {
  return written.map((domain) => domain.replace(/\.$/, "")).filter((domain) => domain !== "");
}

/** Reads the text of a hosts file (hosts(5)): addresses by name in lower case, in order. */
export function parseHosts(text: string): ReadonlyMap<string, readonly string[]> {
  const hosts = new Map<string, string[]>();
  for (const line of text.split("\n")) {
    const [address = "", ...names] = line.replace(/#.*/, "").trim().split(/\s+/);
    // The first question for an address of IPv6 costs milliseconds: not for lines without one.
    if (names.length === 0 || isIP(address) === 0) continue;
    for (const name of names.map((written) => written.toLowerCase())) {
      const addresses = hosts.get(name);
      if (addresses === undefined) hosts.set(name, [address]);
      else if (!addresses.includes(address)) addresses.push(address);
    }
  }
  return hosts;
}

/** A file that is read again when it has changed; nothing where it cannot be read. */
export function createFileReader<T>(file: string, parse: (text: string) => T): () => T {
  let stamp = "";
  let value = parse("");
  return () => {
    try {
      const { mtimeMs, size, ino } = statSync(file);
      const now = `${mtimeMs} ${size} ${ino}`;
      if (now !== stamp) value = parse(readFileSync(file, "utf8"));
      stamp = now;
    } catch {
      value = parse("");
      stamp = "";
    }
    return value;
  };
}

/** The names to ask for, in order: as it is, and below each name of the search list. */
export function candidates(name: string, { search, ndots }: Pick<ResolverFile, "search" | "ndots">): readonly string[] {
  if (name.endsWith(".")) return [name];
  const below = search.map((domain) => `${name}.${domain}`);
  const dots = name.split(".").length - 1;
  return dots >= ndots ? [name, ...below] : [...below, name];
}
