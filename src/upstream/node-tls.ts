import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { isIP, Socket } from "node:net";
import type { ConnectionOptions, SecureContext } from "node:tls";
import { reasonOf } from "../lib/errors.ts";
import { loadTls } from "../lib/lazy-tls.ts";
import { Latest } from "./latest.ts";

/** A certificate that is shown to nodes, and its key; both in PEM form. */
export interface CertificatePair {
  readonly cert: string;
  readonly key: string;
}

/** Sessions kept for resumption by each identity. */
const MAX_SESSIONS = 256;

/**
 * Who the gateway is to nodes over TLS, and whom it takes them for. Connections may be
 * shared where the `id` is the same. The context is made with the first connection.
 */
export class NodeTls {
  /** A digest of the certificate, the key and what is checked; `""` for neither. */
  readonly id: string;
  readonly verify: boolean;
  /** Whether nodes are asked for by name (SNI), unless a connection says otherwise. */
  readonly sendsName: boolean;
  readonly #authorities: TrustedAuthorities;
  readonly #pair: CertificatePair | null;
  /** Why there is no certificate to show; `""`: there is, or none is asked for. */
  readonly #fault: string;
  #context: SecureContext | null = null;
  /** The latest session by address and name. */
  readonly #sessions = new Map<string, Buffer>();

  constructor(
    id: string,
    verify: boolean,
    sendsName: boolean,
    pair: CertificatePair | null,
    fault: string,
    trust: TrustedAuthorities,
  ) {
    this.id = id;
    this.verify = verify;
    this.sendsName = sendsName;
    this.#pair = pair;
    this.#fault = fault;
    this.#authorities = trust;
  }

  /** The context of handshakes. Throws an Error with the reason where there can be none. */
  context(): SecureContext {
    if (this.#fault !== "") throw new Error(this.#fault);
    this.#context ??= loadTls().createSecureContext({
      ...this.#pair,
      ...(this.verify ? { ca: this.#authorities.certificates() } : {}),
    });
    return this.#context;
  }

  session(key: string): Buffer | undefined {
    return this.#sessions.get(key);
  }

  keepSession(key: string, session: Buffer): void {
    this.#sessions.delete(key);
    if (this.#sessions.size >= MAX_SESSIONS) {
      const [oldest] = this.#sessions.keys();
      this.#sessions.delete(oldest!);
    }
    this.#sessions.set(key, session);
  }
}

/**
 * Opens a TLS connection. `name` is asked for (SNI) and, where nodes are verified, must stand
 * in the certificate; an address is not asked for (RFC 6066, section 3). Never throws: what
 * cannot even be begun is an error of the socket.
 * @param address of the node, for the resumption of sessions.
 */
export function connectSecurely(
  tls: NodeTls,
  name: string,
  address: string,
  options: ConnectionOptions,
  sendsName = tls.sendsName,
): Socket {
  try {
    const key = `${address} ${name}`;
    const session = tls.session(key);
    const socket = loadTls().connect({
      ...options,
      secureContext: tls.context(),
      rejectUnauthorized: tls.verify,
      checkServerIdentity: (_, certificate) => loadTls().checkServerIdentity(name, certificate),
      ...(sendsName && isIP(name) === 0 ? { servername: name } : {}),
      ...(session === undefined ? {} : { session }),
    });
    socket.on("session", (latest: Buffer) => tls.keepSession(key, latest));
    return socket;
  } catch (thrown) {
    const socket = new Socket();
    process.nextTick(() => socket.destroy(new Error(reasonOf(thrown))));
    return socket;
  }
}

/** The certificates that nodes are verified with. */
export class TrustedAuthorities {
  readonly #file: string | null;
  #certificates: readonly string[] | null = null;

  /** @param file of `apisix.ssl.ssl_trusted_certificate`; `null`: those that the system trusts. */
  constructor(file: string | null) {
    this.#file = file;
  }

  /** In PEM form. Throws an Error with the reason where they cannot be read. */
  certificates(): string[] {
    this.#certificates ??= this.#file === null ? systemCertificates() : [readFileSync(this.#file, "utf8")];
    return [...this.#certificates];
  }
}

/** A system without a store has none: then Node's own list counts. */
function systemCertificates(): readonly string[] {
  const { getCACertificates } = loadTls();
  const system = getCACertificates("system");
  return system.length > 0 ? system : getCACertificates("default");
}

/** Makes one `NodeTls` of each kind, so that contexts and sessions outlive changes of upstreams. */
export class NodeTlsSource {
  readonly #known = new Latest<NodeTls>();
  readonly #authorities: TrustedAuthorities;
  readonly #sendsName: boolean;

  constructor(authorities: TrustedAuthorities, sendsName = true) {
    this.#authorities = authorities;
    this.#sendsName = sendsName;
  }

  /** @param pair what is shown; a text says why it cannot be. */
  get(verify: boolean, pair: CertificatePair | string | null): NodeTls {
    const id = idOf(verify, pair);
    const known = this.#known.get(id);
    if (known !== undefined) return known;
    const fault = typeof pair === "string" ? pair : "";
    const shown = typeof pair === "string" ? null : pair;
    const made = new NodeTls(id, verify, this.#sendsName, shown, fault, this.#authorities);
    this.#known.set(id, made);
    return made;
  }
}

function idOf(verify: boolean, pair: CertificatePair | string | null): string {
  if (pair === null) return verify ? "verify" : "";
  const shown = typeof pair === "string" ? pair : `${pair.cert}\n${pair.key}`;
  return createHash("sha256").update(`${verify}\n${shown}`).digest("base64url");
}
