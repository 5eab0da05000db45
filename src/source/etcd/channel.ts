import type { EtcdTlsSettings } from "../../settings/settings.ts";
import { Connection } from "./connection.ts";
import { Code, EtcdError } from "./etcd-error.ts";
import { reasonOfError } from "./fault.ts";

/** Metadata of a call: names in lower case. */
export type Metadata = Readonly<Record<string, string>>;

/** Milliseconds that a call may take, and until the answer begins. */
export interface CallLimits {
  readonly timeoutMs: number;
  readonly silenceMs: number;
}

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
 * gRPC with one member over one connection. It connects when it is first needed and again
 * after the connection has ended, with the certificates that the files have then; it never
 * retries by itself.
 */
export class Channel {
  readonly #origin: string;
  readonly #tls: EtcdTlsSettings | null;
  /** The one that takes new calls. */
  #current: Connection | null = null;
  /** Every connection that has calls. */
  readonly #connections = new Set<Connection>();

  /** `origin` as in `https://10.0.0.1:2379`. */
  constructor(origin: string, tls: EtcdTlsSettings | null) {
    this.#origin = origin;
    this.#tls = tls;
  }

  /** One request, one answer; rejects with EtcdError, at the latest when a limit is over. */
  async unary(path: string, request: Buffer, metadata: Metadata, limits: CallLimits): Promise<Buffer> {
    return await this.#connection().unary(path, request, metadata, limits);
  }

  /** Opens a stream; rejects with EtcdError where there is no connection. */
  async duplex(path: string, metadata: Metadata, handlers: DuplexHandlers): Promise<DuplexCall> {
    return await this.#connection().duplex(path, metadata, handlers);
  }

  /** Ends the connection with everything on it; the next call connects anew. */
  close(): void {
    for (const connection of this.#connections) connection.close();
  }

  #connection(): Connection {
    if (this.#current !== null) return this.#current;
    try {
      const connection = new Connection(this.#origin, this.#tls, {
        retired: () => {
          if (this.#current === connection) this.#current = null;
        },
        closed: () => this.#connections.delete(connection),
      });
      this.#connections.add(connection);
      return (this.#current = connection);
    } catch (error) {
      throw new EtcdError(Code.unavailable, reasonOfError(error as Error), { sent: false });
    }
  }
}
