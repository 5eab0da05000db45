import { reasonOf } from "../../lib/errors.ts";
import type { DnsRecordOrder, DnsSettings } from "../../settings/settings.ts";
import { commonDivisor, commonMultiple } from "../../upstream/targets.ts";
import { createDnsClient, DnsRefusal, type DnsClient, type ShunnedServers } from "./dns-client.ts";
import { recordTypes, type DnsRecord, type RecordType } from "./dns-message.ts";
import { candidates, createFileReader, parseHosts, parseResolverFile } from "./system-names.ts";

/** What a name stands for, for so long. */
export type Resolution = Found | Failure;

interface Found {
  readonly addresses: readonly string[];
  readonly ttlMs: number;
}

/** A service by its SRV records, their targets resolved, or by its A or AAAA records. */
export type ServiceResolution = { readonly records: readonly ServiceAddress[]; readonly ttlMs: number } | Failure;

interface Failure {
  /** Why there is no address now. */
  readonly failure: string;
  /** It could not be asked for: that is no "no". */
  readonly unanswered?: true;
}

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

/** In which order services are asked for unless it is configured. */
const ORDER: DnsRecordOrder = ["last", "SRV", "A", "AAAA"];
/** For how long what is next on the search list counts where one before it could not be asked for. */
const SECOND_BEST_TTL_MS = 5_000;
/** Names whose type is kept, or what they were found by. */
const MAX_KEPT = 10_000;

export interface ResolverParts {
  /** Other files than the system's. */
  readonly files?: Partial<SystemFiles>;
  readonly order?: DnsRecordOrder;
}

export function createResolver(settings: DnsSettings, parts: ResolverParts = {}): Resolver {
  return new SystemResolver(settings, { ...SYSTEM, ...parts.files }, parts.order ?? ORDER);
}

type AddressType = "A" | "AAAA";
/** What records of services are found by. */
type ServiceType = "SRV" | "CNAME" | AddressType;
type ServiceRecord = NonNullable<DnsRecord["service"]>;

class SystemResolver implements Resolver {
  readonly #settings: DnsSettings;
  readonly #hosts: () => ReturnType<typeof parseHosts>;
  readonly #file: () => ReturnType<typeof parseResolverFile>;
  readonly #order: DnsRecordOrder;
  /** By which type a service was found the last time. */
  readonly #last = new Map<string, ServiceType>();
  /** By which entry of the search list a name was found the last time. */
  readonly #foundBy = new Map<string, string>();
  readonly #shunned: ShunnedServers = new Map();

  constructor(settings: DnsSettings, files: SystemFiles, order: DnsRecordOrder) {
    this.#settings = settings;
    this.#order = order;
    this.#hosts = createFileReader(files.hosts, parseHosts);
    this.#file = createFileReader(files.resolv, parseResolverFile);
  }

  async resolve(name: string): Promise<Resolution> {
    return await this.#addresses(name, ["A", "AAAA"]);
  }

  async resolveService(name: string): Promise<ServiceResolution> {
    let failure: Failure = { failure: "no type of record is asked for" };
    for (const type of this.#typesFor(name)) {
      const found = await this.#resolveBy(name, type);
      if ("records" in found) {
        // Where another type could not be asked for, this one is not what the service has for good.
        if (failure.unanswered !== true) keep(this.#last, name, type);
        return found;
      }
      // What it was found by could not be asked for: another type may say something else of it, and less.
      if (found.unanswered === true && this.#last.get(name) === type) return found;
      if (failure.unanswered !== true) failure = found;
    }
    return failure;
  }

  #typesFor(name: string): ReadonlySet<ServiceType> {
    const types = this.#order.map((type) => (type === "last" ? this.#last.get(name) : type));
    const known = types.filter((type) => type !== undefined);
    return new Set(known.filter((type) => type !== "AAAA" || this.#settings.ipv6));
  }

  async #resolveBy(name: string, type: ServiceType): Promise<ServiceResolution> {
    if (type === "SRV") {
      return await this.#search(name, async (client, candidate) => await this.#services(client, candidate));
    }
    // Whatever is asked for, aliases are followed: asking for one finds those that are told in no other way.
    const found = type === "CNAME" ? await this.#alias(name) : await this.#addresses(name, [type]);
    if ("failure" in found) return found;
    const records = found.addresses.map((host) => ({ host, port: null, weight: 1, priority: 0 }));
    return { records, ttlMs: found.ttlMs };
  }

  /** The addresses of what a name is an alias of. */
  async #alias(name: string): Promise<Found | Failure> {
    return await this.#search(name, async (client, candidate) => {
      const aliases = await recordsOf(client, candidate, "CNAME");
      const [alias] = aliases?.records ?? [];
      if (aliases === null || alias === undefined) return null;
      const found = await addressesOf(client, alias.value, this.#addressTypes(["A", "AAAA"]));
      return found === null ? null : { addresses: found.values, ttlMs: this.#ttl(Math.min(aliases.ttl, found.ttl)) };
    });
  }

  /** Without IPv6 where that is not wanted. */
  #addressTypes(types: readonly AddressType[]): readonly AddressType[] {
    return this.#settings.ipv6 ? types : types.filter((type) => type === "A");
  }

  /** Of the first type that there is, in the hosts file or else in the DNS. */
  async #addresses(name: string, wanted: readonly AddressType[]): Promise<Found | Failure> {
    const types = this.#addressTypes(wanted);
    const local = this.#hosts().get(name.toLowerCase().replace(/\.$/, "")) ?? [];
    for (const type of types) {
      const addresses = local.filter((address) => address.includes(":") === (type === "AAAA")).sort();
      if (addresses.length > 0) return { addresses, ttlMs: HOSTS_TTL_MS };
    }
    return await this.#search(name, async (client, candidate) => {
      const found = await addressesOf(client, candidate, types);
      return found === null ? null : { addresses: found.values, ttlMs: this.#ttl(found.ttl) };
    });
  }

  /**
   * The first candidate for which `look` finds something. What cannot be asked for is no "no",
   * so that none of the others answers for the one that the name was found by. Otherwise they
   * do, for a short time: a domain of the search list may be out of order for good.
   */
  async #search<T extends { readonly ttlMs: number }>(
    name: string,
    look: (client: DnsClient, candidate: string) => Promise<T | null>,
  ): Promise<T | Failure> {
    const file = this.#file();
    const { servers, search, timeoutMs } = this.#settings;
    const client = createDnsClient(servers ?? file.servers, timeoutMs, this.#shunned);
    const names = candidates(name, search ? file : { search: [], ndots: 0 });
    let failure: Failure | null = null;
    for (const candidate of names) {
      try {
        const found = await look(client, candidate);
        if (found === null) continue;
        if (failure !== null) return { ...found, ttlMs: Math.min(found.ttlMs, SECOND_BEST_TTL_MS) };
        if (names.length > 1) keep(this.#foundBy, name, candidate);
        return found;
      } catch (thrown) {
        failure ??= { failure: reasonOf(thrown), unanswered: true };
        if (!(thrown instanceof DnsRefusal) || this.#foundBy.get(name) === candidate) return failure;
      }
    }
    return failure ?? { failure: "no such name, or it has no address" };
  }

  async #services(client: DnsClient, name: string): Promise<{ records: ServiceAddress[]; ttlMs: number } | null> {
    const found = await recordsOf(client, name, "SRV");
    if (found === null) return null;
    const targets: { record: ServiceRecord; hosts: readonly string[]; weight: number }[] = [];
    let ttl = found.ttl;
    for (const { value, service } of found.records) {
      // RFC 2782: a target of `.` says that the service is not available.
      if (service === null || value === "") continue;
      const addresses = await addressesOf(client, value, this.#addressTypes(["A", "AAAA"]));
      if (addresses === null) continue;
      ttl = Math.min(ttl, addresses.ttl);
      // Weight 0 means a very small chance.
      targets.push({ record: service, hosts: addresses.values, weight: Math.max(1, service.weight) });
    }
    // Addresses of one target share its weight: all weights grow until there are whole numbers.
    const scale = commonMultiple(
      targets.map(({ hosts, weight }) => hosts.length / commonDivisor(weight, hosts.length)),
    );
    const records = targets.flatMap(({ record: { port, priority }, hosts, weight }) =>
      hosts.map((host) => ({
        host,
        port: port === 0 ? null : port,
        weight: Math.max(1, Math.round((weight * scale) / hosts.length)),
        priority,
      })),
    );
    return records.length === 0 ? null : { records, ttlMs: this.#ttl(ttl) };
  }

  #ttl(seconds: number): number {
    return Math.min(Math.max(this.#settings.validMs ?? seconds * 1_000, MIN_TTL_MS), MAX_TTL_MS);
  }
}

/** Notes what a name was found by, for a bounded number of names. */
function keep<T>(map: Map<string, T>, name: string, by: T): void {
  if (map.size >= MAX_KEPT) map.clear();
  map.set(name, by);
}

interface Records {
  readonly records: readonly DnsRecord[];
  /** Seconds: the shortest on the way. */
  readonly ttl: number;
}

/** Addresses of the first type that there is; sorted, so that their order says nothing. */
async function addressesOf(
  client: DnsClient,
  name: string,
  types: readonly AddressType[],
): Promise<{ values: readonly string[]; ttl: number } | null> {
  for (const type of types) {
    const found = await recordsOf(client, name, type);
    if (found === null) continue;
    return { values: [...new Set(found.records.map(({ value }) => value))].sort(), ttl: found.ttl };
  }
  return null;
}

/**
 * The records of that type, along the CNAMEs of the answer; `null` where there are none.
 * Where a server tells an alias and not what it leads to, that is asked for.
 */
async function recordsOf(client: DnsClient, name: string, type: RecordType): Promise<Records | null> {
  let owner = name.toLowerCase().replace(/\.$/, "");
  let asked = owner;
  let { code, answers } = await client.query(name, type);
  let ttl = Infinity;
  for (let i = 0; i < MAX_CHAIN; i++) {
    const records = answers.filter((record) => record.name === owner && record.type === recordTypes[type]);
    if (records.length > 0)
      return { records, ttl: records.reduce((least, record) => Math.min(least, record.ttl), ttl) };
    const alias = answers.find((record) => record.name === owner && record.type === recordTypes.CNAME);
    if (alias !== undefined) {
      ttl = Math.min(ttl, alias.ttl);
      owner = alias.value;
    } else {
      if (owner === asked || code !== 0) return null;
      asked = owner;
      ({ code, answers } = await client.query(owner, type));
    }
  }
  return null;
}
