import { constants, createHash, X509Certificate } from "node:crypto";
import type { ClientHello } from "./client-hello.ts";
import type { SecureContext, SecureContextOptions, SecureVersion } from "node:tls";
import { loadTls } from "../lib/lazy-tls.ts";
import type { Ssl } from "../schema/ssl.ts";
import type { TlsSettings, TlsVersion } from "../settings/settings.ts";
import type { Certificate } from "./certificate-index.ts";
import type { TicketKeys } from "./ticket-keys.ts";

/** Contexts that are kept at most: each takes about 40 KB. */
const MAX_CONTEXTS = 1_000;

/** For how many seconds a session can be resumed. */
const SESSION_SECONDS = 3_600;

/** What TLS 1.3 is spoken with: the setting knows suites of earlier versions alone, as nginx's does. */
const TLS13_SUITES = "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256";

const EXCLUDED: Readonly<Record<TlsVersion, number>> = {
  "TLSv1.1": constants.SSL_OP_NO_TLSv1_1,
  "TLSv1.2": constants.SSL_OP_NO_TLSv1_2,
  "TLSv1.3": constants.SSL_OP_NO_TLSv1_3,
};
const VERSIONS: readonly TlsVersion[] = ["TLSv1.1", "TLSv1.2", "TLSv1.3"];

/** What a client is met with. */
export interface ReadyContext {
  readonly context: SecureContext;
  /** Certificates to which responses may be stapled; none unless `ocsp_stapling` is on. */
  readonly stapled: readonly StapledLeaf[];
}

/** A certificate whose responder is asked. */
export interface StapledLeaf {
  readonly fingerprint: string;
  /** The scheme of TLS 1.3 that it signs with, where it has an elliptic curve; `null`: another kind of key. */
  readonly scheme: number | null;
}

interface Kept extends ReadyContext {
  readonly certificate: Certificate;
  readonly epoch: number;
}

/** Signature schemes by curve (RFC 8446, section 4.2.3). */
const SCHEMES: Readonly<Record<string, number>> = { prime256v1: 0x0403, secp384r1: 0x0503, secp521r1: 0x0603 };
/** How a scheme says that it is ECDSA: in its last byte. */
const ECDSA = 3;

/**
 * The contexts of certificates, made when a client first asks for one and kept while they are
 * in use. A changed certificate gets a new one; connections keep the one they began with.
 */
export class SecureContexts {
  readonly #settings: TlsSettings;
  readonly #tickets: TicketKeys;
  readonly #limit: number;
  /** By id, the one used last at the end. */
  readonly #kept = new Map<string, Kept>();

  constructor(settings: TlsSettings, tickets: TicketKeys, limit = MAX_CONTEXTS) {
    this.#settings = settings;
    this.#tickets = tickets;
    this.#limit = limit;
  }

  get size(): number {
    return this.#kept.size;
  }

  /** The context to meet clients with; throws what is wrong with certificate or key. */
  contextOf(certificate: Certificate): ReadyContext {
    const epoch = this.#tickets.epochAt(Date.now());
    const kept = this.#kept.get(certificate.id);
    this.#kept.delete(certificate.id);
    if (kept !== undefined && kept.certificate === certificate && kept.epoch === epoch) {
      this.#kept.set(certificate.id, kept);
      return kept;
    }
    const conf = certificate.read();
    const made = { certificate, context: this.#build(conf), stapled: stapledLeaves(conf), epoch };
    this.#kept.set(certificate.id, made);
    if (this.#kept.size > this.#limit) {
      for (const oldest of this.#kept.keys()) {
        this.#kept.delete(oldest);
        break;
      }
    }
    return made;
  }

  #build(conf: Ssl): SecureContext {
    const { sessionTickets } = this.#settings;
    // Loaded by those alone that serve TLS: it would cost every thread's start.
    return loadTls().createSecureContext({
      ...serverOptions(conf, this.#settings),
      // A session of one certificate must not be resumed with another, which may ask for more.
      sessionIdContext: sessionContext(conf),
      sessionTimeout: SESSION_SECONDS,
      ...(sessionTickets ? { ticketKeys: this.#tickets.key } : {}),
    });
  }
}

function stapledLeaves(conf: Ssl): readonly StapledLeaf[] {
  if (conf.ocsp_stapling?.enabled !== true) return [];
  return pairsOf(conf).cert.map((pem) => {
    const { fingerprint256: fingerprint, publicKey } = new X509Certificate(pem);
    return { fingerprint, scheme: SCHEMES[publicKey.asymmetricKeyDetails?.namedCurve ?? ""] ?? null };
  });
}

/**
 * Which of the certificates the library will show to this client; `null`: that cannot be said for
 * certain. One is simple. Of several, a client of TLS 1.3 that knows the scheme of the one with an
 * elliptic curve gets that one, and a client that knows no such scheme the other.
 */
export function shownLeaf(stapled: readonly StapledLeaf[], hello: ClientHello): StapledLeaf | null {
  if (stapled.length <= 1) return stapled[0] ?? null;
  const elliptic = stapled.find(({ scheme }) => scheme !== null);
  const other = stapled.filter((leaf) => leaf !== elliptic);
  if (elliptic === undefined || other.length !== 1) return null;
  if (!hello.schemes.some((scheme) => (scheme & 0xff) === ECDSA && scheme >> 8 > 1)) return other[0]!;
  return hello.knowsTls13 && hello.schemes.includes(elliptic.scheme!) ? elliptic : null;
}

/** What a context is made of, but for sessions. */
export function serverOptions(
  conf: Ssl,
  settings: Pick<TlsSettings, "protocols" | "ciphers" | "sessionTickets">,
): SecureContextOptions {
  const versions = conf.ssl_protocols ?? settings.protocols;
  const excluded = VERSIONS.filter((version) => !versions.includes(version));
  const usable = VERSIONS.filter((version) => versions.includes(version));
  let secureOptions = constants.SSL_OP_CIPHER_SERVER_PREFERENCE | constants.SSL_OP_NO_RENEGOTIATION;
  for (const version of excluded) secureOptions |= EXCLUDED[version];
  if (!settings.sessionTickets) secureOptions |= constants.SSL_OP_NO_TICKET;
  // OpenSSL does not speak versions before 1.2 at its usual level of security.
  const level = usable[0] === "TLSv1.1" ? ":@SECLEVEL=0" : "";
  return {
    ...pairsOf(conf),
    minVersion: usable[0] as SecureVersion,
    maxVersion: usable.at(-1) as SecureVersion,
    ciphers: `${TLS13_SUITES}:${settings.ciphers}${level}`,
    secureOptions,
    ...(conf.client === undefined ? {} : { ca: conf.client.ca }),
  };
}

/** One certificate and its key per kind of key, of which the client's abilities choose one; the last of a kind counts. */
function pairsOf({ cert, key, certs = [], keys = [] }: Ssl): { readonly cert: string[]; readonly key: string[] } {
  if (certs.length === 0) return { cert: [cert], key: [key] };
  const pairs = new Map<string, readonly [string, string]>();
  [cert, ...certs].forEach((one, index) => {
    const kind = new X509Certificate(one).publicKey.asymmetricKeyType ?? "";
    pairs.set(kind, [one, [key, ...keys][index]!]);
  });
  const chosen = [...pairs.values()];
  return { cert: chosen.map(([one]) => one), key: chosen.map(([, one]) => one) };
}

/** 32 bytes at most. */
function sessionContext({ id, client }: Ssl): string {
  const text = JSON.stringify([id, client ?? null]);
  return createHash("sha256").update(text).digest("base64url").slice(0, 32);
}
