import { Client, connectivityState, Metadata as GrpcMetadata, status, type StatusObject } from "@grpc/grpc-js";
import type { EtcdTlsSettings } from "../../settings/settings.ts";
import type { CallLimits, DuplexCall, DuplexHandlers, Metadata } from "./channel.ts";
import { Code, EtcdError } from "./etcd-error.ts";
import { faultOf, outOfTime, reasonOfDetails, reasonOfError } from "./fault.ts";
import { MemberCredentials } from "./member-credentials.ts";

/** How long a member may take until it speaks HTTP/2, TLS included. */
const CONNECT_MS = 2_000;
/** Bytes that one message may have: the largest page of resources. */
const MAX_MESSAGE = 64 * 1024 * 1024;
const WINDOW = 4 * 1024 * 1024;
/** How often a connection with calls is probed, and how long the answer may take; etcd allows it every 5 s. */
const KEEPALIVE_MS = 10_000;

/** One client, one member, one connection: which member is used, and when again, is for the cluster to say. */
const OPTIONS = {
  "grpc.enable_retries": 0,
  "grpc.enable_http_proxy": 0,
  "grpc.enable_channelz": 0,
  "grpc.service_config_disable_resolution": 1,
  "grpc.use_local_subchannel_pool": 1,
  // A client that could not connect is not used again: it is not to try by itself.
  "grpc.initial_reconnect_backoff_ms": 10 * CONNECT_MS,
  "grpc.max_receive_message_length": MAX_MESSAGE,
  "grpc.max_send_message_length": MAX_MESSAGE,
  "grpc-node.flow_control_window": WINDOW,
  "grpc.keepalive_time_ms": KEEPALIVE_MS,
  "grpc.keepalive_timeout_ms": KEEPALIVE_MS,
};

const same = (message: Buffer): Buffer => message;

/** What the owner of a connection is told; each is called once. */
interface ConnectionHandlers {
  /** It takes no more calls: it failed, was lost, or the member is about to close it. Those on it go on. */
  retired(): void;
  closed(): void;
}

/** A connection to one member and the calls on it; it is made by the first call. */
export class Connection {
  readonly #credentials: MemberCredentials;
  readonly #client: Client;
  readonly #calls = new Set<Cancellable>();
  readonly #opened = Promise.withResolvers<void>();
  readonly #limit: NodeJS.Timeout;
  readonly #handlers: ConnectionHandlers;
  #ready = false;
  #over = false;
  #closed = false;
  #tooLate = false;

  /** Throws where a file of `tls` cannot be read. */
  constructor(origin: string, tls: EtcdTlsSettings | null, handlers: ConnectionHandlers) {
    const url = new URL(origin);
    this.#handlers = handlers;
    this.#credentials = new MemberCredentials(url, tls);
    const port = url.port || (url.protocol === "https:" ? "443" : "80");
    this.#client = new Client(`dns:${url.hostname}:${port}`, this.#credentials, OPTIONS);
    this.#limit = setTimeout(() => {
      this.#tooLate = true;
      this.close();
    }, CONNECT_MS);
    this.#watchState();
  }

  /** One request, one answer; rejects with EtcdError. */
  async unary(path: string, request: Buffer, metadata: Metadata, limits: CallLimits): Promise<Buffer> {
    return await new Promise((resolve, reject) => {
      let silent = false;
      const options = { deadline: Date.now() + limits.timeoutMs };
      const call = this.#client.makeUnaryRequest(
        path,
        same,
        same,
        request,
        metadataOf(metadata),
        options,
        (error, answer) => {
          clearTimeout(silence);
          const fault = error === null ? null : silent ? outOfTime(this.#ready) : this.#faultOf(error);
          this.#release(call);
          if (fault !== null) reject(fault);
          else resolve(answer!);
        },
      );
      const silence = setTimeout(() => {
        silent = true;
        call.cancel();
      }, limits.silenceMs);
      // From here on the connection's probes tell whether the member lives.
      call.once("metadata", () => clearTimeout(silence));
      this.#calls.add(call);
    });
  }

  /** Opens a stream; rejects with EtcdError where there is no connection. */
  async duplex(path: string, metadata: Metadata, handlers: DuplexHandlers): Promise<DuplexCall> {
    return await new Promise((resolve, reject) => {
      let opened = false;
      let over = false;
      const stream = this.#client.makeBidiStreamRequest(path, same, same, metadataOf(metadata));
      this.#calls.add(stream);
      stream.on("data", (message: Buffer) => {
        if (!over) handlers.message(message);
      });
      // The status says the same.
      stream.on("error", () => undefined);
      stream.once("status", (ended) => {
        const fault =
          ended.code === status.OK ? new EtcdError(Code.unavailable, "the stream has ended") : this.#faultOf(ended);
        this.#release(stream);
        if (over) return;
        over = true;
        if (opened) handlers.ended(fault);
        else reject(fault);
      });
      const call: DuplexCall = {
        send: (message) => void (over || stream.write(message)),
        cancel: () => {
          over = true;
          stream.cancel();
        },
      };
      void this.#opened.promise.then(() => {
        opened = true;
        resolve(call);
      });
    });
  }

  /** Ends it with every call on it. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#retire();
    for (const call of this.#calls) call.cancel();
    this.#client.close();
    this.#credentials.destroy();
    this.#handlers.closed();
  }

  #watchState(): void {
    const channel = this.#client.getChannel();
    const state = channel.getConnectivityState(false);
    if (state === connectivityState.SHUTDOWN) return;
    if (state === connectivityState.READY) {
      this.#ready = true;
      clearTimeout(this.#limit);
      this.#opened.resolve();
    } else if (this.#ready || state === connectivityState.TRANSIENT_FAILURE) this.#retire();
    if (!this.#closed) channel.watchConnectivityState(state, Infinity, () => this.#watchState());
  }

  #retire(): void {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#limit);
    this.#handlers.retired();
    if (this.#calls.size === 0) this.close();
  }

  #release(call: Cancellable): void {
    this.#calls.delete(call);
    if (this.#over && this.#calls.size === 0) this.close();
  }

  #faultOf(ended: StatusObject): EtcdError {
    if (this.#ready) return faultOf(ended);
    if (ended.code === status.DEADLINE_EXCEEDED) return outOfTime(false);
    const { fault } = this.#credentials;
    const reason = this.#tooLate
      ? `no connection within ${CONNECT_MS} ms`
      : fault === null
        ? reasonOfDetails(ended.details)
        : reasonOfError(fault);
    return new EtcdError(Code.unavailable, reason, { sent: false });
  }
}

interface Cancellable {
  cancel(): void;
}

function metadataOf(metadata: Metadata): GrpcMetadata {
  const result = new GrpcMetadata();
  for (const [name, value] of Object.entries(metadata)) result.set(name, value);
  return result;
}
