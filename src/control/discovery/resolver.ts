import { reasonOf } from "../../lib/errors.ts";
import type { DnsSettings } from "../../settings/settings.ts";
import { createDnsClient, type DnsClient } from "./dns-client.ts";
import { recordTypes, type DnsRecord, type RecordType } from "./dns-message.ts";
import { candidates, createFileReader, parseHosts, parseResolverFile } from "./system-names.ts";

/** What a name stands for, for so long. */
export type Resolution =
  | { readonly addresses: readonly string[]; readonly ttlMs: number }
  /** Why there is no address now. */
  | { readonly failure: string };

/** A service by its SRV records, their targets resolved; A and AAAA records where it has none. */
export type ServiceResolution =
  { readonly records: readonly ServiceAddress[]; readonly ttlMs: number } | { readonly failure: string };

export interface ServiceAddress {
  readonly host: string;
  /** `null`: none was given. */
  readonly port: number | null;
  readonly weight: number;
  /** Lower is preferred, as DNS has it. */
  readonly priority: number;
}

/** Resolves names as the system does: hosts file, search list, DNS. Never rejects. */
export interface Resolver {
  resolve(name: string): Promise<Resolution>;
  resolveService(name: string): Promise<ServiceResolution>;
}

/** For how long an entry of the hosts file counts before the file is looked at again. */
const HOSTS_TTL_MS = 5_000;
/** A TTL of 0 still keeps an answer for so long: each request must not ask anew. */
const MIN_TTL_MS = 1_000;
const MAX_TTL_MS = 3_600_000;
/** CNAMEs that are followed within one answer. */
const MAX_CHAIN = 16;

/** Files of the system; tests give others. */
export interface SystemFiles {
  readonly hosts: string;
  readonly resolv: string;
}

const SYSTEM: SystemFiles = { hosts: "/etc/hosts", resolv: "/etc/resolv.conf" };

export function createResolver(settings: DnsSettings, files: SystemFiles = SYSTEM): Resolver {
  return new SystemResolver(settings, files);
}

class SystemResolver implements Resolver {
  readonly #settings: DnsSettings;
  readonly #hosts: () => ReturnType<typeof parseHosts>;
  readonly #file: () => ReturnType<typeof parseResolverFile>;

  constructor(settings: DnsSettings, files: SystemFiles) {
    this.#settings = settings;
    this.#hosts = createFileReader(files.hosts, parseHosts);
    this.#file = createFileReader(files.resolv, parseResolverFile);
  }

  async resolve(name: string): Promise<Resolution> {
    const local = this.#hosts().get(name.toLowerCase().replace(/\.$/, ""));
    if (local !== undefined) return { addresses: preferIpv4(local), ttlMs: HOSTS_TTL_MS };
    return await this.#search(name, async (client, candidate) => {
      const found = await addressesOf(client, candidate);
      return found === null ? null : { addresses: found.values, ttlMs: this.#ttl(found.ttl) };
    });
  }

  async resolveService(name: string): Promise<ServiceResolution> {
    const bySrv = await this.#search(name, async (client, candidate) => await this.#services(client, candidate));
    if (!("failure" in bySrv)) return bySrv;
    const byAddress = await this.resolve(name);
    if ("failure" in byAddress) return byAddress;
    const records = byAddress.addresses.map((host) => ({ host, port: null, weight: 1, priority: 0 }));
    return { records, ttlMs: byAddress.ttlMs };
  }

  /** The first candidate for which `look` finds something; what cannot be asked is no "no". */
  async #search<T>(
    name: string,
    look: (client: DnsClient, candidate: string) => Promise<T | null>,
  ): Promise<T | { failure: string }> {
    const file = this.#file();
    const { servers, search, timeoutMs } = this.#settings;
    const client = createDnsClient(servers ?? file.servers, timeoutMs);
    const names = candidates(name, search ? file : { search: [], ndots: 0 });
    let failure = "no such name, or it has no address";
    for (const candidate of names) {
      try {
        const found = await look(client, candidate);
        if (found !== null) return found;
      } catch (thrown) {
        failure = reasonOf(thrown);
        // What is next on the list must not answer for a name that could not be asked for.
        break;
      }
    }
    return { failure };
  }

  async #services(client: DnsClient, name: string): Promise<{ records: ServiceAddress[]; ttlMs: number } | null> {
    const found = await recordsOf(client, name, "SRV");
    if (found === null) return null;
    const records: ServiceAddress[] = [];
    let ttl = found.ttl;
    for (const { value, service } of found.records) {
      // RFC 2782: a target of `.` says that the service is not available.
      if (service === null || value === "") continue;
      const addresses = await addressesOf(client, value);
      if (addresses === null) continue;
      ttl = Math.min(ttl, addresses.ttl);
      // Weight 0 means a very small chance, and addresses of one target share its weight.
      const weight = Math.max(1, Math.round(service.weight / addresses.values.length));
      for (const host of addresses.values) {
        records.push({ host, port: service.port === 0 ? null : service.port, weight, priority: service.priority });
      }
    }
    return records.length === 0 ? null : { records, ttlMs: this.#ttl(ttl) };
  }

  #ttl(seconds: number): number {
    return Math.min(Math.max(this.#settings.validMs ?? seconds * 1_000, MIN_TTL_MS), MAX_TTL_MS);
  }
}

interface Found<T> {
  readonly records: readonly T[];
  /** Seconds: the shortest on the way. */
  readonly ttl: number;
}

/** A records, or AAAA records where there are none; sorted, so that their order says nothing. */
async function addressesOf(
  client: DnsClient,
  name: string,
): Promise<{ values: readonly string[]; ttl: number } | null> {
  const found = (await recordsOf(client, name, "A")) ?? (await recordsOf(client, name, "AAAA"));
  if (found === null) return null;
  return { values: [...new Set(found.records.map(({ value }) => value))].sort(), ttl: found.ttl };
}

/** The records of that type, along the CNAMEs of the answer; `null` where there are none. */
async function recordsOf(client: DnsClient, name: string, type: RecordType): Promise<Found<DnsRecord> | null> {
  const { answers } = await client.query(name, type);
  let owner = name.toLowerCase().replace(/\.$/, "");
  let ttl = Infinity;
  for (let i = 0; i < MAX_CHAIN; i++) {
    const records = answers.filter((record) => record.name === owner && record.type === recordTypes[type]);
    if (records.length > 0)
      return { records, ttl: records.reduce((least, record) => Math.min(least, record.ttl), ttl) };
    const alias = answers.find((record) => record.name === owner && record.type === recordTypes.CNAME);
    if (alias === undefined) return null;
    ttl = Math.min(ttl, alias.ttl);
    owner = alias.value;
  }
  return null;
}

function preferIpv4(addresses: readonly string[]): readonly string[] {
  const four = addresses.filter((address) => !address.includes(":"));
  return (four.length > 0 ? four : [...addresses]).sort();
}
