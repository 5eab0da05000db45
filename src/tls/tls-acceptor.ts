import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { reasonOf } from "../lib/errors.ts";
import { loadTls } from "../lib/lazy-tls.ts";
import type { Timed, TimerWheel } from "../lib/timer-wheel.ts";
import type { TlsSettings } from "../settings/settings.ts";
import { type Alert, alertRecord, alerts } from "./alert.ts";
import type { Certificate, CertificateLookup } from "./certificate-index.ts";
import { type ClientHello, isHelloFault, normaliseName, readClientHello } from "./client-hello.ts";
import { type ClientProof, proofOf } from "./client-proof.ts";
import { type ReadyContext, SecureContexts, shownLeaf } from "./secure-contexts.ts";
import type { TicketKeys } from "./ticket-keys.ts";

/** A connection whose handshake is done. */
export interface Secured {
  /** Paused; whoever is told of it owns it and reads from it at once. */
  readonly socket: TLSSocket;
  readonly certificate: Certificate;
  /** As the client said it, in lower case without a final dot; `null` where it said none. */
  readonly serverName: string | null;
  /** What ALPN chose; `null` where the client did not ask. */
  readonly protocol: string | null;
  readonly client: ClientProof;
}

/** What becomes of an accepted connection; one of the two is called, once. */
export interface SecuredHandler {
  secured(secured: Secured): void;
  /** It has come to nothing: the socket is closed or about to be. */
  failed(): void;
}

/** What an acceptor works with. */
export interface TlsAcceptorParts {
  readonly settings: TlsSettings;
  readonly certificates: CertificateLookup;
  readonly tickets: TicketKeys;
  readonly wheel: TimerWheel;
  readonly log: { warn(message: string): void; error(message: string): void };
  /** Answers a client that does not speak TLS, and closes its socket; absent: it is closed. */
  readonly answerPlain?: (socket: Socket) => void;
}

/** Time for a whole handshake, from the first byte waited for to the last. */
const HANDSHAKE_MS = 15_000;
/** The same once the thread drains. */
const DRAIN_MS = 2_000;
/** Handshakes under way in one thread; of more of them the oldest are given up. */
const MAX_PENDING = 1_024;

/** Time between two lines in the log about names without a certificate. */
const COMPLAINT_MS = 10_000;

/** Does handshakes: with the certificate that the client's hello names, within bounds of time and number. */
export class TlsAcceptor {
  readonly #parts: TlsAcceptorParts;
  readonly #contexts: SecureContexts;
  readonly #limit: number;
  /** The oldest first. */
  readonly #pending = new Set<Handshake>();
  /** On the clock of the wheel. */
  #nextComplaint = 0;
  /** Certificates that could not be used, so that each is named once. */
  readonly #named = new WeakSet<Certificate>();

  constructor(parts: TlsAcceptorParts, limit = MAX_PENDING) {
    this.#parts = parts;
    this.#contexts = new SecureContexts(parts.settings, parts.tickets);
    this.#limit = limit;
  }

  /** Handshakes under way. */
  get pending(): number {
    return this.#pending.size;
  }

  /**
   * Takes over a paused socket of a server with `allowHalfOpen`.
   * @param protocols by ALPN, in the order of preference; empty: whatever the client says is passed over.
   */
  accept(socket: Socket, protocols: readonly string[], handler: SecuredHandler): Handshake {
    const handshake = new Handshake(this, this.#parts, socket, protocols, handler);
    this.#pending.add(handshake);
    if (this.#pending.size > this.#limit) {
      for (const oldest of this.#pending) {
        oldest.destroy();
        break;
      }
    }
    return handshake;
  }

  /** Gives up every handshake under way. */
  close(): void {
    for (const handshake of this.#pending) handshake.destroy();
  }

  /** The certificate for a name (or for none), and its context; `null`: there is none that works. */
  choose(name: string | null): { readonly certificate: Certificate; readonly ready: ReadyContext } | null {
    const { settings, certificates, log } = this.#parts;
    const fallback = settings.fallbackSni === null ? null : normaliseName(settings.fallbackSni);
    const certificate =
      (name === null ? null : certificates.find(name)) ?? (fallback === null ? null : certificates.find(fallback));
    if (certificate === null) {
      this.#complain(name);
      return null;
    }
    try {
      return { certificate, ready: this.#contexts.contextOf(certificate) };
    } catch (error) {
      if (!this.#named.has(certificate)) log.error(`ssls/${certificate.id} cannot be used: ${reasonOf(error)}`);
      this.#named.add(certificate);
      return null;
    }
  }

  /** Says now and then that there is no certificate: clients choose the names, and how often. */
  #complain(name: string | null): void {
    const { wheel, log } = this.#parts;
    if (wheel.now < this.#nextComplaint) return;
    this.#nextComplaint = wheel.now + COMPLAINT_MS;
    log.warn(name === null ? "no certificate for a client without SNI" : `no certificate for ${JSON.stringify(name)}`);
  }

  /** For handshakes: this one is under way no longer. */
  done(handshake: Handshake): void {
    this.#pending.delete(handshake);
  }
}

/**
 * One connection on its way:
 *
 *   hello (bytes are gathered) ──▶ shaking (the library has it) ──▶ handed over
 *        └──────────────┴── closed: malformed, no certificate, refused, too slow, gone
 */
export class Handshake implements Timed {
  deadline = Infinity;
  dueTick = -1;
  readonly #acceptor: TlsAcceptor;
  readonly #parts: TlsAcceptorParts;
  readonly #raw: Socket;
  readonly #protocols: readonly string[];
  readonly #handler: SecuredHandler;
  #tls: TLSSocket | null = null;
  #bytes: Buffer | null = null;
  #over = false;
  readonly #read = (chunk: Buffer): void => this.#data(chunk);
  readonly #ended = (): void => this.destroy();
  readonly #closed = (): void => this.#fail();
  /** What it does, in the words of nginx. */
  readonly activity = "reading";

  /** Made by `TlsAcceptor.accept`. */
  constructor(
    acceptor: TlsAcceptor,
    parts: TlsAcceptorParts,
    raw: Socket,
    protocols: readonly string[],
    handler: SecuredHandler,
  ) {
    this.#acceptor = acceptor;
    this.#parts = parts;
    this.#raw = raw;
    this.#protocols = protocols;
    this.#handler = handler;
    parts.wheel.set(this, HANDSHAKE_MS);
    raw.on("data", this.#read);
    raw.on("end", this.#ended);
    // What went wrong is told by `close`.
    raw.on("error", () => {});
    raw.on("close", this.#closed);
    raw.resume();
  }

  /** The thread is to end soon: whoever is at it may finish, whoever is silent is not waited for long. */
  drain(): void {
    this.#parts.wheel.set(this, Math.min(DRAIN_MS, Math.max(1, this.deadline - this.#parts.wheel.now)));
  }

  /** Gives it up. */
  destroy(): void {
    if (this.#over) return;
    (this.#tls ?? this.#raw).destroy();
    this.#fail();
  }

  expired(): void {
    this.destroy();
  }

  #data(chunk: Buffer): void {
    const bytes = this.#bytes === null ? chunk : Buffer.concat([this.#bytes, chunk]);
    this.#bytes = bytes;
    const hello = readClientHello(bytes);
    if (hello === null) return;
    this.#leaveRaw();
    if (isHelloFault(hello)) this.#notTls(bytes, hello.alert);
    else this.#shake(bytes, hello);
  }

  #leaveRaw(): void {
    this.#raw.off("data", this.#read);
    this.#raw.off("end", this.#ended);
    this.#raw.pause();
    this.#bytes = null;
  }

  /** Somebody who speaks HTTP in clear text is told so; everybody else in the words of TLS. */
  #notTls(bytes: Buffer, alert: Alert): void {
    const { answerPlain } = this.#parts;
    if (answerPlain !== undefined && /^[A-Z]{3,}/.test(bytes.toString("latin1", 0, 16))) answerPlain(this.#raw);
    else this.#sendAlert(alert);
    this.#fail();
  }

  #sendAlert(alert: Alert): void {
    this.#raw.end(alertRecord(alert), () => this.#raw.destroy());
  }

  #shake(bytes: Buffer, hello: ClientHello): void {
    const { serverName } = hello;
    const chosen = this.#acceptor.choose(serverName);
    if (chosen === null) {
      // APISIX ends the handshake in this way; RFC 6066 has an alert of its own for unknown names.
      this.#sendAlert(alerts.internalError);
      this.#fail();
      return;
    }
    const { certificate, ready } = chosen;
    const { client } = certificate;
    const { TLSSocket } = loadTls();
    this.#raw.unshift(bytes);
    const socket = new TLSSocket(this.#raw, {
      isServer: true,
      secureContext: ready.context,
      requestCert: client !== null,
      // Where some paths are free the answer, not the handshake, refuses those who come without.
      rejectUnauthorized: client !== null && client.skip_mtls_uri_regex === undefined,
      ...(hello.protocols.length > 0 && this.#protocols.length > 0 ? { ALPNProtocols: [...this.#protocols] } : {}),
    });
    this.#tls = socket;
    if (hello.asksStatus) this.#staple(socket, ready, hello);
    // What went wrong is told by `close`.
    socket.on("error", () => {});
    socket.once("close", this.#closed);
    socket.once("secure", () => this.#secured(socket, certificate, serverName));
  }

  /** Has the response of the responder shown together with the certificate, where there is one. */
  #staple(socket: TLSSocket, { stapled }: ReadyContext, hello: ClientHello): void {
    const shown = shownLeaf(stapled, hello);
    const response = shown === null ? null : this.#parts.certificates.stapleOf(shown.fingerprint, Date.now());
    if (response !== null) (socket as unknown as Stapling)._handle?.setOCSPResponse?.(response);
  }

  #secured(socket: TLSSocket, certificate: Certificate, serverName: string | null): void {
    if (this.#over) return;
    const client = proofOf(socket, certificate);
    if (certificate.client !== null && certificate.client.skip_mtls_uri_regex === undefined && !client.verified) {
      this.destroy();
      return;
    }
    this.#finish();
    socket.off("close", this.#closed);
    releaseControl(socket);
    const { alpnProtocol } = socket;
    const protocol = typeof alpnProtocol === "string" ? alpnProtocol : null;
    this.#handler.secured({ socket, certificate, serverName, protocol, client });
  }

  #fail(): void {
    if (this.#over) return;
    this.#finish();
    this.#handler.failed();
  }

  #finish(): void {
    this.#over = true;
    this.#raw.off("close", this.#closed);
    this.#parts.wheel.forget(this);
    this.#acceptor.done(this);
  }
}

/** What `tls.Server` does with its sockets once they are secure. */
interface ServerSide {
  secureConnecting: boolean;
  _releaseControl?: () => boolean;
}

/** The part of Node's handle that is given a response; `tls.Server` does this at its event `OCSPRequest`. */
interface Stapling {
  readonly _handle: { readonly setOCSPResponse?: (response: Buffer) => void } | null;
}

/** From here on errors of the connection close it, and `node:http2` does not wait for a handshake. */
function releaseControl(socket: TLSSocket): void {
  const side = socket as unknown as ServerSide;
  side.secureConnecting = false;
  side._releaseControl?.();
}
