import { randomInt } from "node:crypto";

/** Messages of the DNS (RFC 1035, section 4), as far as resolving hosts and services takes. */

export const recordTypes = { A: 1, CNAME: 5, SOA: 6, AAAA: 28, SRV: 33 } as const;
export type RecordType = keyof typeof recordTypes;

/** One record; names in lower case without the final dot. */
export interface DnsRecord {
  readonly name: string;
  readonly type: number;
  /** Seconds. */
  readonly ttl: number;
  /** The address, the name that a CNAME leads to, or the target of an SRV; `""` for other types. */
  readonly value: string;
  readonly service: { readonly priority: number; readonly weight: number; readonly port: number } | null;
}

/** A response that fits its question. */
export interface DnsResponse {
  /** 0: no error, 2: SERVFAIL, 3: no such name, … */
  readonly code: number;
  /** The rest did not fit: it has to be asked for over TCP. */
  readonly truncated: boolean;
  readonly answers: readonly DnsRecord[];
}

const CLASS_IN = 1;
const RECURSION_DESIRED = 0x0100;
const RESPONSE = 0x8000;
const TRUNCATED = 0x0200;
/** Records that are read of one message. */
const MAX_RECORDS = 1_000;
/** Labels and pointers that are followed for one name. */
const MAX_STEPS = 128;

/** A question with a random id. Throws an Error where the name cannot be one. */
export function encodeQuery(name: string, type: RecordType): Buffer {
  const labels = name.replace(/\.$/, "").split(".");
  const question = labels.map((label) => {
    const bytes = Buffer.from(label, "latin1");
    if (bytes.length === 0 || bytes.length > 63) throw new Error(`${name} is no name of a host`);
    return Buffer.concat([Buffer.of(bytes.length), bytes]);
  });
  const head = Buffer.alloc(12);
  head.writeUInt16BE(randomInt(0x10000), 0);
  head.writeUInt16BE(RECURSION_DESIRED, 2);
  head.writeUInt16BE(1, 4);
  const tail = Buffer.of(0, 0, recordTypes[type], 0, CLASS_IN);
  const message = Buffer.concat([head, ...question, tail]);
  if (message.length > 12 + 255 + 4) throw new Error(`${name} is longer than a name may be`);
  return message;
}

/** Reads a response to `query`; `null` for whatever is none, or cannot be read. */
export function decodeResponse(message: Buffer, query: Buffer): DnsResponse | null {
  try {
    return read(message, query);
  } catch {
    // Every read beyond the end throws.
    return null;
  }
}

function read(message: Buffer, query: Buffer): DnsResponse | null {
  const flags = message.readUInt16BE(2);
  if (message.readUInt16BE(0) !== query.readUInt16BE(0) || (flags & RESPONSE) === 0) return null;
  // The question comes back as it was asked, if at all in other case.
  const questions = message.readUInt16BE(4);
  const end = query.length;
  const same =
    questions === 1 && message.toString("latin1", 12, end).toLowerCase() === query.toString("latin1", 12).toLowerCase();
  const code = flags & 0xf;
  if (!same) return questions === 0 && code !== 0 ? { code, truncated: false, answers: [] } : null;
  const answers: DnsRecord[] = [];
  const count = Math.min(message.readUInt16BE(6), MAX_RECORDS);
  const truncated = (flags & TRUNCATED) !== 0;
  let at = end;
  for (let i = 0; i < count && !(truncated && at >= message.length); i++) {
    const [name, after] = readName(message, at);
    const type = message.readUInt16BE(after);
    const ttl = message.readUInt32BE(after + 4);
    const length = message.readUInt16BE(after + 8);
    const data = after + 10;
    if (data + length > message.length) throw new RangeError("beyond the end");
    // RFC 2181, section 8: a TTL with its highest bit set is 0.
    answers.push({ name, type, ttl: ttl > 0x7fffffff ? 0 : ttl, ...readData(message, type, data, length) });
    at = data + length;
  }
  return { code, truncated, answers };
}

function readData(message: Buffer, type: number, at: number, length: number): Pick<DnsRecord, "value" | "service"> {
  if (type === recordTypes.A && length === 4) {
    return { value: [...message.subarray(at, at + 4)].join("."), service: null };
  }
  if (type === recordTypes.AAAA && length === 16) {
    const groups = Array.from({ length: 8 }, (_, i) => message.readUInt16BE(at + i * 2).toString(16));
    return { value: compressed(groups), service: null };
  }
  if (type === recordTypes.CNAME) return { value: readName(message, at)[0], service: null };
  if (type === recordTypes.SRV) {
    const [priority, weight, port] = [0, 2, 4].map((offset) => message.readUInt16BE(at + offset));
    const service = { priority: priority ?? 0, weight: weight ?? 0, port: port ?? 0 };
    return { value: readName(message, at + 6)[0], service };
  }
  return { value: "", service: null };
}

/** The longest run of zeros becomes `::` (RFC 5952). */
function compressed(groups: readonly string[]): string {
  const text = groups.join(":");
  let [at, length] = [0, 0];
  // By its place: the same text may begin within a group that ends with 0, as in `fd00:0:0:0:0:0:0:1`.
  for (const { 0: run, index } of text.matchAll(/\b0(?::0)+\b/g))
    if (run.length > length) [at, length] = [index, run.length];
  if (length === 0) return text;
  return `${text.slice(0, at).replace(/:$/, "")}::${text.slice(at + length).replace(/^:/, "")}`;
}

/** A name, and where it ends. Names may point to where the same ending stood before (RFC 1035, section 4.1.4). */
function readName(message: Buffer, start: number): readonly [name: string, end: number] {
  const labels: string[] = [];
  let at = start;
  let end = -1;
  for (let steps = 0; steps < MAX_STEPS; steps++) {
    const length = message.readUInt8(at);
    if (length === 0) return [labels.join(".").toLowerCase(), end < 0 ? at + 1 : end];
    if (length >= 0xc0) {
      if (end < 0) end = at + 2;
      at = message.readUInt16BE(at) & 0x3fff;
    } else if (length > 63 || at + 1 + length > message.length) throw new RangeError("malformed name");
    else {
      labels.push(message.toString("latin1", at + 1, at + 1 + length));
      at += length + 1;
    }
  }
  throw new RangeError("a name that does not end");
}
