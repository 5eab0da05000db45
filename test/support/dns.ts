import { createSocket } from "node:dgram";
import { createServer } from "node:net";
import type { TestContext } from "node:test";
import { freePort } from "./ports.ts";

/** One record of a stand-in DNS server. */
export interface StandInRecord {
  readonly type: "A" | "AAAA" | "CNAME" | "SRV";
  /** An address, a name, or `priority weight port target`. */
  readonly value: string;
  /** Seconds; 1 unless given. */
  readonly ttl?: number;
}

/** What is answered for a name: records, or a failure. `silent`: nothing at all. */
export type StandInAnswer = readonly StandInRecord[] | "SERVFAIL" | "NXDOMAIN" | "silent" | "garbage";

/** A DNS server on UDP and TCP whose every answer a test decides. */
export interface StandInDns {
  /** `127.0.0.1:<port>`, as `dns_resolver` is written. */
  readonly server: string;
  readonly port: number;
  /** By name in lower case; a name that is not there is NXDOMAIN, a promise is an answer that comes later. */
  readonly answers: Map<string, StandInAnswer | Promise<StandInAnswer>>;
  /** Questions so far, as `TYPE name`. */
  readonly questions: readonly string[];
  /** Answers over UDP are cut, so that TCP has to be asked. */
  truncate: boolean;
  /** Types that are answered with REFUSED, whatever the name. */
  readonly refused: Set<string>;
  /** Resolves with the next question for the name. */
  asked(name: string): Promise<void>;
}

const codes = { SERVFAIL: 2, NXDOMAIN: 3, REFUSED: 5 } as const;
const types = { A: 1, CNAME: 5, AAAA: 28, SRV: 33 } as const;

export async function startDns(t: TestContext): Promise<StandInDns> {
  const answers: StandInDns["answers"] = new Map();
  const questions: string[] = [];
  const waiting: { readonly name: string; readonly resolve: () => void }[] = [];
  const udp = createSocket("udp4");
  const tcp = createServer();
  const dns = {
    server: "",
    port: 0,
    answers,
    questions,
    truncate: false,
    refused: new Set<string>(),
    asked: (name: string) => new Promise<void>((resolve) => waiting.push({ name, resolve })),
  };
  const respond = async (query: Buffer, overUdp: boolean): Promise<Buffer | null> => {
    const { name, type, end } = questionOf(query);
    const typeName = Object.entries(types).find(([, code]) => code === type)?.[0] ?? String(type);
    questions.push(`${typeName} ${name}`);
    for (const one of waiting.filter((other) => other.name === name)) {
      waiting.splice(waiting.indexOf(one), 1);
      one.resolve();
    }
    const answer = dns.refused.has(typeName) ? "REFUSED" : ((await answers.get(name)) ?? "NXDOMAIN");
    if (answer === "silent") return null;
    if (answer === "garbage") return Buffer.from("no message of the DNS");
    return responseTo(query.subarray(0, end), answer, type, overUdp && dns.truncate);
  };
  udp.on("message", async (query, peer) => {
    const response = await respond(query, true);
    if (response !== null) udp.send(response, peer.port, peer.address);
  });
  tcp.on("connection", (socket) => {
    socket.on("error", () => undefined);
    socket.once("data", async (data: Buffer) => {
      const response = await respond(data.subarray(2), false);
      if (response === null) return;
      const length = Buffer.alloc(2);
      length.writeUInt16BE(response.length);
      // In pieces: a reader must not take the first one for the whole.
      socket.write(length);
      socket.write(response.subarray(0, 5), () => socket.end(response.subarray(5)));
    });
  });
  // The same port for both, which nobody has for either.
  dns.port = await freePort();
  await new Promise<void>((resolve) => tcp.listen(dns.port, "127.0.0.1", resolve));
  dns.server = `127.0.0.1:${dns.port}`;
  await new Promise<void>((resolve) => udp.bind(dns.port, "127.0.0.1", resolve));
  t.after(() => {
    udp.close();
    tcp.close();
  });
  return dns;
}

function questionOf(query: Buffer): { name: string; type: number; end: number } {
  const labels: string[] = [];
  let at = 12;
  for (let length = query.readUInt8(at); length > 0; length = query.readUInt8(at)) {
    labels.push(query.toString("latin1", at + 1, at + 1 + length));
    at += length + 1;
  }
  return { name: labels.join(".").toLowerCase(), type: query.readUInt16BE(at + 1), end: at + 5 };
}

function responseTo(
  query: Buffer,
  answer: readonly StandInRecord[] | "SERVFAIL" | "NXDOMAIN" | "REFUSED",
  type: number,
  cut: boolean,
): Buffer {
  const message = Buffer.from(query);
  const code = typeof answer === "string" ? codes[answer] : 0;
  message.writeUInt16BE(0x8180 | (cut ? 0x0200 : 0) | code, 2);
  message.fill(0, 6, 12);
  if (typeof answer === "string" || cut) return message;
  // Records of a CNAME's target stand behind it, as a recursive server sends them.
  const parts: Buffer[] = [];
  let owner: Buffer = Buffer.of(0xc0, 12);
  for (const record of answer.filter((one) => types[one.type] === type || one.type === "CNAME")) {
    const data = dataOf(record);
    const head = Buffer.alloc(10);
    head.writeUInt16BE(types[record.type], 0);
    head.writeUInt16BE(1, 2);
    head.writeUInt32BE(record.ttl ?? 1, 4);
    head.writeUInt16BE(data.length, 8);
    parts.push(owner, head, data);
    if (record.type === "CNAME") owner = nameBytes(record.value);
  }
  message.writeUInt16BE(parts.length / 3, 6);
  return Buffer.concat([message, ...parts]);
}

function dataOf({ type, value }: StandInRecord): Buffer {
  if (type === "A") return Buffer.from(value.split(".").map(Number));
  if (type === "AAAA") {
    const [head = "", tail = ""] = value.split("::");
    const groups = (text: string): string[] => (text === "" ? [] : text.split(":"));
    const zeros = 8 - groups(head).length - groups(tail).length;
    const all = [...groups(head), ...Array.from({ length: zeros }, () => "0"), ...groups(tail)];
    return Buffer.concat(all.map((group) => Buffer.from(group.padStart(4, "0"), "hex")));
  }
  if (type === "CNAME") return nameBytes(value);
  const [priority, weight, port, target = ""] = value.split(" ");
  const head = Buffer.alloc(6);
  [priority, weight, port].forEach((number, i) => head.writeUInt16BE(Number(number), i * 2));
  return Buffer.concat([head, nameBytes(target)]);
}

function nameBytes(name: string): Buffer {
  const labels = name === "" ? [] : name.split(".");
  return Buffer.concat([
    ...labels.map((label) => Buffer.concat([Buffer.of(label.length), Buffer.from(label)])),
    Buffer.of(0),
  ]);
}
