import { constants, createHash, X509Certificate } from "node:crypto";
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

interface Kept {
  readonly certificate: Certificate;
  readonly context: SecureContext;
  readonly epoch: number;
}

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
  contextOf(certificate: Certificate): SecureContext {
    const epoch = this.#tickets.epochAt(Date.now());
    const kept = this.#kept.get(certificate.id);
    this.#kept.delete(certificate.id);
    if (kept !== undefined && kept.certificate === certificate && kept.epoch === epoch) {
      this.#kept.set(certificate.id, kept);
      return kept.context;
    }
    const context = this.#build(certificate);
    this.#kept.set(certificate.id, { certificate, context, epoch });
    if (this.#kept.size > this.#limit) {
      for (const oldest of this.#kept.keys()) {
        this.#kept.delete(oldest);
        break;
      }
    }
    return context;
  }

  #build(certificate: Certificate): SecureContext {
    const conf = certificate.read();
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
