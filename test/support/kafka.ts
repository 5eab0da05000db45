import { createHash, createHmac, pbkdf2Sync, randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer, type AddressInfo, type Socket } from "node:net";
import type { TestContext } from "node:test";
import { createServer as createTlsServer } from "node:tls";
import { certificate, privateKey } from "./certificate.ts";
import {
  array,
  bytes,
  int16,
  int32,
  int64,
  int8,
  type KafkaMessage,
  readBatch,
  string,
  WireReader,
} from "./kafka-wire.ts";
import { Inbox } from "./sinks.ts";

/** A stand-in for a Kafka broker: as much of the protocol as a producer needs. */

const API = { produce: 0, metadata: 3, saslHandshake: 17, apiVersions: 18, saslAuthenticate: 36 } as const;
/** What this broker speaks: one version of each. */
const VERSIONS: readonly (readonly [key: number, version: number])[] = [
  [API.produce, 3],
  [API.metadata, 1],
  [API.saslHandshake, 1],
  [API.saslAuthenticate, 0],
];
const NODE_ID = 7;
const NOT_ENOUGH_REPLICAS = 19;
const SASL_AUTHENTICATION_FAILED = 58;

export interface Produced extends KafkaMessage {
  readonly topic: string;
  readonly partition: number;
  readonly acks: number;
}

export interface KafkaOptions {
  readonly tls?: boolean;
  /** Who may log in; absent: everybody, without. */
  readonly user?: { readonly mechanism: "PLAIN" | "SCRAM-SHA-256"; readonly name: string; readonly password: string };
  readonly partitions?: number;
}

/** A broker that keeps what is produced. */
export async function startKafka(t: TestContext, options: KafkaOptions = {}) {
  const broker = new Broker(options);
  const receive = (socket: Socket): void => broker.serve(socket);
  const server =
    options.tls === true ? createTlsServer({ cert: certificate, key: privateKey }, receive) : createServer(receive);
  server.on("tlsClientError", () => undefined);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  broker.port = (server.address() as AddressInfo).port;
  t.after(() => {
    broker.cut();
    server.close();
  });
  return broker;
}

class Broker {
  readonly inbox = new Inbox<Produced>();
  port = 0;
  /** Answers so many requests to produce with an error from now on. */
  refusals = 0;
  readonly #options: KafkaOptions;
  readonly #sockets = new Set<Socket>();

  constructor(options: KafkaOptions) {
    this.#options = options;
  }

  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  serve(socket: Socket): void {
    const session = new Session(this.#options);
    let gathered = Buffer.alloc(0);
    this.#sockets.add(socket);
    socket.on("error", () => undefined);
    socket.on("close", () => this.#sockets.delete(socket));
    socket.on("data", (piece: Buffer) => {
      gathered = Buffer.concat([gathered, piece]);
      while (gathered.length >= 4 && gathered.length >= 4 + gathered.readInt32BE(0)) {
        const end = 4 + gathered.readInt32BE(0);
        const answer = this.#answer(session, new WireReader(gathered.subarray(4, end)));
        gathered = gathered.subarray(end);
        if (answer === null) socket.destroy();
        else socket.write(bytes(answer));
      }
    });
  }

  #answer(session: Session, request: WireReader): Buffer | null {
    const [key, version, correlation] = [request.int16(), request.int16(), request.int32()];
    request.string();
    const body = this.#bodyOf(session, key, version, request);
    return body === null ? null : Buffer.concat([int32(correlation), body]);
  }

  #bodyOf(session: Session, key: number, version: number, request: WireReader): Buffer | null {
    if (key === API.apiVersions) return apiVersions(version);
    if (!VERSIONS.some(([known, spoken]) => known === key && spoken === version)) return null;
    if (key === API.saslHandshake) return session.handshake(request.string());
    if (key === API.saslAuthenticate) return session.authenticate(request.bytes());
    if (!session.done) return null;
    return key === API.metadata ? this.#metadata(request) : this.#produce(request);
  }

  #metadata(request: WireReader): Buffer {
    const topics = request.array(() => request.string());
    const node = Buffer.concat([int32(NODE_ID), string("127.0.0.1"), int32(this.port), string(null)]);
    const only = array([int32(NODE_ID)]);
    const partitions = Array.from({ length: this.#options.partitions ?? 1 }, (_, index) =>
      Buffer.concat([int16(0), int32(index), int32(NODE_ID), only, only]),
    );
    return Buffer.concat([
      array([node]),
      int32(NODE_ID),
      array(topics.map((topic) => Buffer.concat([int16(0), string(topic), int8(0), array(partitions)]))),
    ]);
  }

  #produce(request: WireReader): Buffer {
    request.string();
    const acks = request.int16();
    request.int32();
    const error = this.refusals > 0 ? NOT_ENOUGH_REPLICAS : 0;
    if (error !== 0) this.refusals--;
    const answers = request.array(() => {
      const topic = request.string() ?? "";
      const partitions = request.array(() => {
        const partition = request.int32();
        const messages = readBatch(request.bytes());
        if (error === 0) for (const message of messages) this.inbox.put({ ...message, topic, partition, acks });
        return Buffer.concat([int32(partition), int16(error), int64(0), int64(-1)]);
      });
      return Buffer.concat([string(topic), array(partitions)]);
    });
    return Buffer.concat([array(answers), int32(0)]);
  }
}

function apiVersions(version: number): Buffer {
  const rows = VERSIONS.map(([key, spoken]) => Buffer.concat([int16(key), int16(spoken), int16(spoken)]));
  const answer = [int16(0), array([...rows, Buffer.concat([int16(API.apiVersions), int16(0), int16(2)])])];
  return Buffer.concat(version === 0 ? answer : [...answer, int32(0)]);
}

/** Logging in (RFC 4616, RFC 5802). */
class Session {
  done: boolean;
  readonly #user: KafkaOptions["user"];
  /** Of SCRAM: the client's first message, and the answer. */
  #first: { readonly client: string; readonly server: string } | null = null;
  readonly #salt = randomBytes(16);

  constructor({ user }: KafkaOptions) {
    this.#user = user;
    this.done = user === undefined;
  }

  handshake(mechanism: string | null): Buffer {
    const known = this.#user?.mechanism ?? "";
    return Buffer.concat([int16(mechanism === known ? 0 : 33), array([string(known)])]);
  }

  authenticate(sent: Buffer): Buffer {
    const answer = this.#user?.mechanism === "PLAIN" ? this.#plain(sent.toString()) : this.#scram(sent.toString());
    if (answer === null) {
      return Buffer.concat([
        int16(SASL_AUTHENTICATION_FAILED),
        string("Authentication failed"),
        bytes(Buffer.alloc(0)),
      ]);
    }
    return Buffer.concat([int16(0), string(null), bytes(Buffer.from(answer))]);
  }

  #plain(text: string): string | null {
    this.done = text === `\0${this.#user?.name}\0${this.#user?.password}`;
    return this.done ? "" : null;
  }

  #scram(text: string): string | null {
    const { name = "", password = "" } = this.#user ?? {};
    if (this.#first === null) {
      const client = text.replace(/^n,,/, "");
      const [, user, nonce] = /^n=([^,]*),r=(.*)$/.exec(client) ?? [];
      if (user !== name) return null;
      const server = `r=${nonce}server,s=${this.#salt.toString("base64")},i=4096`;
      this.#first = { client, server };
      return server;
    }
    const salted = pbkdf2Sync(password, this.#salt, 4096, 32, "sha256");
    const clientKey = hmac(salted, "Client Key");
    const [withoutProof = "", proof = ""] = text.split(",p=");
    const message = `${this.#first.client},${this.#first.server},${withoutProof}`;
    const signature = hmac(createHash("sha256").update(clientKey).digest(), message);
    const expected = Buffer.from(clientKey.map((byte, i) => byte ^ signature[i]!)).toString("base64");
    this.done = proof === expected;
    return this.done ? `v=${hmac(hmac(salted, "Server Key"), message).toString("base64")}` : null;
  }
}

const hmac = (key: Buffer, text: string): Buffer => createHmac("sha256", key).update(text).digest();
