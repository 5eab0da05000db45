import { readFileSync } from "node:fs";
import { isIP, type Socket } from "node:net";
import { connect as connectTls, type ConnectionOptions } from "node:tls";
import { CallCredentials, ChannelCredentials, type experimental } from "@grpc/grpc-js";
import type { EtcdTlsSettings } from "../../settings/settings.ts";

/**
 * How one connection to a member is secured. Those of the library cannot be used: they give
 * an address as server name, which Node refuses (RFC 6066, 3), and leave a handshake that
 * hangs open for ever.
 */
export class MemberCredentials extends ChannelCredentials {
  readonly #options: ConnectionOptions | null;
  readonly #sockets = new Set<Socket>();
  #fault: Error | null = null;
  #destroyed = false;

  /** `url` with `https:` or `http:`; throws where a file cannot be read. */
  constructor(url: URL, tls: EtcdTlsSettings | null) {
    super();
    this.#options = url.protocol === "https:" ? connectionOptions(url.hostname.replace(/^\[|\]$/g, ""), tls) : null;
  }

  /** The first error of a socket: it says more than what the library makes of it. */
  get fault(): Error | null {
    return this.#fault;
  }

  /** Ends the sockets, whatever state they are in, and one that is still on its way. */
  destroy(): void {
    this.#destroyed = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  override _isSecure(): boolean {
    return this.#options !== null;
  }

  override _equals(other: ChannelCredentials): boolean {
    return this === other;
  }

  override _createSecureConnector(): experimental.SecureConnector {
    return {
      connect: (socket) => this.#secure(socket),
      waitForReady: () => Promise.resolve(),
      getCallCredentials: () => CallCredentials.createEmpty(),
      destroy: () => undefined,
    };
  }

  async #secure(socket: Socket): Promise<experimental.SecureConnectResult> {
    this.#keep(socket);
    if (this.#destroyed) socket.destroy(new Error("the connection was closed"));
    const options = this.#options;
    if (options === null) return { socket, secure: false };
    return await new Promise((resolve, reject) => {
      const secured = connectTls({ ...options, socket }, () => resolve({ socket: secured, secure: true }));
      this.#keep(secured);
      secured.once("error", reject);
      secured.once("close", () => reject(new Error("the connection was closed")));
    });
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.once("close", () => this.#sockets.delete(socket));
    socket.on("error", (error) => (this.#fault ??= error));
  }
}

function connectionOptions(host: string, tls: EtcdTlsSettings | null): ConnectionOptions {
  // RFC 6066, 3: an address is no server name.
  const servername = tls?.serverName ?? (isIP(host) === 0 ? host : undefined);
  const read = (file: string | null = null): Buffer | undefined => (file === null ? undefined : readFileSync(file));
  return {
    host,
    ALPNProtocols: ["h2"],
    rejectUnauthorized: tls?.verify ?? true,
    cert: read(tls?.certFile),
    key: read(tls?.keyFile),
    ca: read(tls?.caFile),
    ...(servername === undefined ? {} : { servername }),
  };
}
