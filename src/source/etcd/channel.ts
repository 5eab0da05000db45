import { readFileSync } from "node:fs";
import {
  connect,
  type ClientHttp2Session,
  type ClientHttp2Stream,
  constants,
  type IncomingHttpHeaders,
} from "node:http2";
import { connect as connectTcp, isIP, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import type { EtcdTlsSettings } from "../../settings/settings.ts";
import { Code, EtcdError } from "./etcd-error.ts";

/** How long a member may take until it speaks HTTP/2, TLS included. */
const CONNECT_MS = 2_000;
/** Bytes that one message may have: the largest page of resources. */
export const MAX_MESSAGE = 64 * 1024 * 1024;
const STREAM_WINDOW = 4 * 1024 * 1024;

/** Metadata of a call: names in lower case. */
export type Metadata = Readonly<Record<string, string>>;

/** A stream of messages in both directions. */
export interface DuplexCall {
  send(message: Buffer): void;
  /** Ends it; `ended` is not called any more. */
  cancel(): void;
}

export interface DuplexHandlers {
  message(message: Buffer): void;
  /** Called once, however it ends. */
  ended(error: EtcdError): void;
}

/**
 * gRPC over one HTTP/2 connection to one member
 * (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md). It connects when it is
 * first needed and again after the connection has ended; it never retries by itself.
 */
export class Channel {
  readonly #origin: string;
  readonly #tls: EtcdTlsSettings | null;
  #session: Promise<ClientHttp2Session> | null = null;
  /** The connection that `#session` leads to. */
  #current: ClientHttp2Session | null = null;
  /** Every connection that is open: one, and those that the member is about to close. */
  readonly #sessions = new Set<ClientHttp2Session>();

  /** `origin` as in `https://10.0.0.1:2379`. */
  constructor(origin: string, tls: EtcdTlsSettings | null) {
    this.#origin = origin;
    this.#tls = tls;
  }

  /**
   * One request, one answer; rejects with EtcdError, at the latest after `timeoutMs` or where
   * nothing of the answer has come for `silenceMs`.
   */
  async unary(
    path: string,
    request: Buffer,
    metadata: Metadata,
    { timeoutMs, silenceMs }: { readonly timeoutMs: number; readonly silenceMs: number },
  ): Promise<Buffer> {
    const deadline = performance.now() + timeoutMs;
    const session = await this.#connected();
    return await new Promise((resolve, reject) => {
      let answer: Buffer | null = null;
      const leftMs = Math.max(1, Math.ceil(deadline - performance.now()));
      const giveUp = (): void => {
        call.cancel();
        finish(new EtcdError(Code.deadlineExceeded, "no answer in time"));
      };
      const finish = (error: EtcdError | null): void => {
        clearTimeout(limit);
        clearTimeout(silence);
        if (error !== null) reject(error);
        else if (answer === null) reject(new EtcdError(Code.unavailable, "no message in the answer"));
        else resolve(answer);
      };
      const call = startCall(
        session,
        path,
        { ...metadata, "grpc-timeout": `${leftMs}m` },
        {
          progress: () => void silence.refresh(),
          message: (message) => void (answer ??= message),
          ended: finish,
        },
      );
      const limit = setTimeout(giveUp, leftMs);
      const silence = setTimeout(giveUp, Math.min(silenceMs, leftMs));
      call.end(request);
    });
  }

  /** Opens a stream; rejects with EtcdError where there is no connection. */
  async duplex(path: string, metadata: Metadata, handlers: DuplexHandlers): Promise<DuplexCall> {
    const session = await this.#connected();
    return startCall(session, path, metadata, {
      message: handlers.message,
      ended: (error) => handlers.ended(error ?? new EtcdError(Code.unavailable, "the stream has ended")),
    });
  }

  /** Ends the connection with everything on it; the next call connects anew. */
  close(): void {
    this.#session = this.#current = null;
    for (const session of this.#sessions) session.destroy();
  }

  async #connected(): Promise<ClientHttp2Session> {
    this.#session ??= this.#connect();
    return await this.#session;
  }

  async #connect(): Promise<ClientHttp2Session> {
    let socket: Socket;
    try {
      socket = openSocket(this.#origin, this.#tls);
    } catch (error) {
      this.#session = null;
      throw new EtcdError(Code.unavailable, reason(error), { sent: false });
    }
    const session = connect(this.#origin, {
      createConnection: () => socket,
      settings: { enablePush: false, initialWindowSize: STREAM_WINDOW },
      maxSessionMemory: 256,
    });
    this.#current = session;
    this.#sessions.add(session);
    await new Promise<void>((resolve, reject) => {
      // Streams go on until the member closes the connection; new ones need another one.
      const forget = (): void => {
        if (this.#current === session) this.#session = this.#current = null;
      };
      const gone = (cause: unknown): void => {
        clearTimeout(limit);
        this.#sessions.delete(session);
        forget();
        reject(new EtcdError(Code.unavailable, reason(cause), { sent: false }));
      };
      const limit = setTimeout(() => {
        gone(new Error(`no connection within ${CONNECT_MS} ms`));
        session.destroy();
      }, CONNECT_MS);
      session.once("remoteSettings", () => {
        clearTimeout(limit);
        session.setLocalWindowSize(2 * STREAM_WINDOW);
        resolve();
      });
      session.once("goaway", forget);
      session.on("error", gone);
      // The session says nothing of an alert that comes while its preface is on the way.
      socket.once("error", gone);
      session.once("close", () => gone(new Error("the connection was closed")));
    });
    return session;
  }
}

interface CallHandlers {
  /** A piece of the answer has come. */
  progress?(): void;
  message(message: Buffer): void;
  /** `null`: it ended with status OK. */
  ended(error: EtcdError | null): void;
}

function startCall(
  session: ClientHttp2Session,
  path: string,
  metadata: Metadata,
  handlers: CallHandlers,
): DuplexCall & { end(message: Buffer): void } {
  let stream: ClientHttp2Stream;
  let over = false;
  const end = (error: EtcdError | null): void => {
    if (over) return;
    over = true;
    handlers.ended(error);
  };
  try {
    stream = session.request({
      ":method": "POST",
      ":path": path,
      "content-type": "application/grpc",
      te: "trailers",
      ...metadata,
    });
  } catch (error) {
    // The connection ended between two turns of the event loop.
    queueMicrotask(() => end(new EtcdError(Code.unavailable, reason(error), { sent: false })));
    return { send: () => undefined, end: () => undefined, cancel: () => (over = true) };
  }
  const deframe = createDeframer((message) => {
    if (!over) handlers.message(message);
  });
  let status: EtcdError | null | undefined;
  stream.on("response", (headers, flags) => {
    if (headers[":status"] !== 200) status = new EtcdError(Code.unavailable, `HTTP status ${headers[":status"]}`);
    // An answer of headers alone carries its status there.
    else if ((flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0) status = statusOf(headers);
  });
  stream.on("trailers", (headers) => (status ??= statusOf(headers)));
  stream.on("data", (chunk: Buffer) => {
    handlers.progress?.();
    const fault = deframe(chunk);
    if (fault === null) return;
    end(fault);
    stream.close(constants.NGHTTP2_CANCEL);
  });
  let failure: unknown = null;
  stream.on("error", (error) => (failure = error));
  stream.on("close", () => {
    if (status !== undefined) return end(status);
    const cause = failure ?? "the connection was closed";
    // RFC 9113, 8.7: nothing of a refused stream was processed.
    const sent = stream.rstCode !== constants.NGHTTP2_REFUSED_STREAM && !stream.pending;
    end(new EtcdError(Code.unavailable, reason(cause), { sent }));
  });
  return {
    send: (message) => void (stream.writable && stream.write(frame(message))),
    end: (message) => void stream.end(frame(message)),
    cancel() {
      over = true;
      stream.close(constants.NGHTTP2_CANCEL);
    },
  };
}

function frame(message: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

/** Puts messages together; returns what is wrong where they cannot be taken. */
function createDeframer(deliver: (message: Buffer) => void): (chunk: Buffer) => EtcdError | null {
  let chunks: Buffer[] = [];
  let have = 0;
  return (chunk) => {
    chunks.push(chunk);
    have += chunk.length;
    while (have >= 5) {
      if (chunks.length > 1 && chunks[0]!.length < 5) chunks = [Buffer.concat(chunks)];
      const first = chunks[0]!;
      const length = first.readUInt32BE(1);
      if (first[0] !== 0) return new EtcdError(Code.unavailable, "a compressed message, which was not asked for");
      if (length > MAX_MESSAGE) return new EtcdError(Code.outOfSize, `a message of ${length} bytes`);
      if (have < 5 + length) return null;
      const all = chunks.length === 1 ? first : Buffer.concat(chunks);
      deliver(all.subarray(5, 5 + length));
      const rest = all.subarray(5 + length);
      chunks = rest.length > 0 ? [rest] : [];
      have = rest.length;
    }
    return null;
  };
}

function statusOf(headers: IncomingHttpHeaders): EtcdError | null {
  const code = Number(headers["grpc-status"] ?? 2);
  if (code === 0) return null;
  return new EtcdError(code, decodeMessage(String(headers["grpc-message"] ?? `status ${code}`)), { answered: true });
}

function decodeMessage(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function openSocket(origin: string, tls: EtcdTlsSettings | null): Socket {
  const { protocol, hostname, port } = new URL(origin);
  const host = hostname.replace(/^\[|\]$/g, "");
  if (protocol !== "https:") return connectTcp({ host, port: Number(port || 80), noDelay: true });
  // RFC 6066, 3: an address is no server name.
  const servername = tls?.serverName ?? (isIP(host) === 0 ? host : undefined);
  // The files are read for each connection, so that renewed certificates count.
  const read = (file: string | null = null): Buffer | undefined => (file === null ? undefined : readFileSync(file));
  return connectTls({
    host,
    port: Number(port || 443),
    ALPNProtocols: ["h2"],
    rejectUnauthorized: tls?.verify ?? true,
    cert: read(tls?.certFile),
    key: read(tls?.keyFile),
    ca: read(tls?.caFile),
    ...(servername === undefined ? {} : { servername }),
  });
}

function reason(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown);
  const { code, message, library, reason: short } = thrown as NodeJS.ErrnoException & Partial<OpensslWords>;
  switch (code) {
    case "ECONNREFUSED":
      return "connection refused";
    case "ECONNRESET":
      return "connection reset";
    case "ENOTFOUND":
      return "unknown host";
    default:
      // Node's advice after a semicolon is for those who run Node.
      return library === undefined ? message.split("; ")[0]! : `TLS: ${short ?? message}`;
  }
}

/** What Node adds to an error of OpenSSL, whose message has a code in front and a place in its source behind. */
interface OpensslWords {
  readonly library: string;
  readonly reason: string;
}
