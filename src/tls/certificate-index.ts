import { compileSafeRegex, MAX_SUBJECT } from "../plugin/safe-regex.ts";
import type { ClientVerification, Ssl } from "../schema/ssl.ts";
import { normaliseName } from "./client-hello.ts";

/**
 * One resource `ssls/<id>` as it is used. A change makes a new object, so that whatever is
 * made from one (a context, a check of a client) belongs to exactly this content.
 */
export class Certificate {
  readonly id: string;
  readonly type: Ssl["type"];
  /** Lower case; `*` stands for a first label or a part of it. */
  readonly names: readonly string[];
  /** How clients prove who they are; `null`: they need not. */
  readonly client: ClientVerification | null;
  /** Unix seconds of the last write; 0 where it is not known. */
  readonly written: number;
  readonly #text: string;
  #free: readonly RegExp[] | null = null;

  /** @param text the JSON text of the resource; keys are read from it when they are needed. */
  constructor(text: string, conf: Ssl) {
    this.id = conf.id;
    this.type = conf.type;
    this.names = (conf.snis ?? (conf.sni === undefined ? [] : [conf.sni])).map(normaliseName);
    this.client = conf.client ?? null;
    this.written = conf.update_time ?? conf.create_time ?? 0;
    this.#text = text;
  }

  /** Whether `path` may be asked for without a client certificate (`skip_mtls_uri_regex`). */
  frees(path: string): boolean {
    const patterns = this.client?.skip_mtls_uri_regex;
    if (patterns === undefined) return false;
    this.#free ??= patterns.map((pattern) => compileSafeRegex(pattern));
    // What is too long to be judged is not free.
    return path.length <= MAX_SUBJECT && this.#free.some((regex) => regex.test(path));
  }

  /** The resource with its private keys. */
  read(): Ssl {
    return JSON.parse(this.#text) as Ssl;
  }
}

/** The response of an OCSP responder, as control hands it to the workers. */
export interface Staple {
  /** SHA-256 of the certificate that it is about, as Node writes fingerprints. */
  readonly fingerprint: string;
  /** An `OCSPResponse` in DER; `null`: none is shown any more. */
  readonly response: Uint8Array | null;
  /** Unix milliseconds after which it counts no longer. */
  readonly until: number;
}

/** Finds certificates by the name that a client asks for, and what is shown with them. */
export interface CertificateLookup {
  /** The certificate for a name in lower case without a final dot; `null`: there is none. */
  find(name: string): Certificate | null;
  /** The OCSP response to staple to a certificate; `null`: there is none that counts. @param now Unix milliseconds. */
  stapleOf(fingerprint: string, now: number): Buffer | null;
  /** Whether some certificate asks clients for theirs. */
  readonly asksClients: boolean;
}

/**
 * The resources `ssls` of one worker. As in APISIX an exact name comes before one with a star,
 * which stands for one label (`*.a.test`) or its beginning (`*a.test`); of two resources with
 * one name the one that was written last counts, and then the greater id.
 */
export class CertificateIndex implements CertificateLookup {
  readonly #byId = new Map<string, Certificate>();
  readonly #exact = new Map<string, Certificate[]>();
  /** By what follows the star. */
  readonly #starred = new Map<string, Certificate[]>();
  readonly #staples = new Map<string, Staple & { readonly response: Buffer }>();
  /** Starred names that do not continue with a dot. */
  #oddStars = 0;
  #asking = 0;

  get asksClients(): boolean {
    return this.#asking > 0;
  }

  /** Sets or removes (`null`) a resource; `text` is its JSON text. */
  set(id: string, text: string | null, conf: Ssl | null): void {
    const held = this.#byId.get(id);
    if (held !== undefined) this.#remove(held);
    if (text === null || conf === null || conf.status === 0) return;
    this.#add(id, new Certificate(text, conf));
  }

  find(name: string): Certificate | null {
    const exact = this.#exact.get(name);
    if (exact !== undefined) return exact[0]!;
    if (this.#starred.size === 0) return null;
    const dot = name.indexOf(".");
    const labelEnd = dot < 0 ? name.length : dot;
    // The longest one first.
    for (let at = this.#oddStars > 0 ? 0 : labelEnd; at <= labelEnd; at++) {
      const starred = this.#starred.get(name.slice(at));
      if (starred !== undefined) return starred[0]!;
    }
    return null;
  }

  /** Takes over responses that have changed, and forgets those that have run out. @param now Unix milliseconds. */
  setStaples(staples: readonly Staple[], now: number): void {
    for (const staple of staples) {
      if (staple.response === null) this.#staples.delete(staple.fingerprint);
      else this.#staples.set(staple.fingerprint, { ...staple, response: Buffer.from(staple.response) });
    }
    for (const { fingerprint, until } of this.#staples.values()) if (until <= now) this.#staples.delete(fingerprint);
  }

  stapleOf(fingerprint: string, now: number): Buffer | null {
    const staple = this.#staples.get(fingerprint);
    return staple === undefined || staple.until <= now ? null : staple.response;
  }

  #add(id: string, certificate: Certificate): void {
    this.#byId.set(id, certificate);
    if (certificate.type === "client") return;
    if (certificate.client !== null) this.#asking++;
    for (const name of new Set(certificate.names)) {
      const [table, key] = this.#place(name);
      if (isOdd(name)) this.#oddStars++;
      const others = table.get(key) ?? [];
      table.set(key, [...others, certificate].sort(laterFirst));
    }
  }

  #remove(certificate: Certificate): void {
    this.#byId.delete(certificate.id);
    if (certificate.type === "client") return;
    if (certificate.client !== null) this.#asking--;
    for (const name of new Set(certificate.names)) {
      const [table, key] = this.#place(name);
      if (isOdd(name)) this.#oddStars--;
      const others = (table.get(key) ?? []).filter((other) => other !== certificate);
      if (others.length === 0) table.delete(key);
      else table.set(key, others);
    }
  }

  #place(name: string): readonly [table: Map<string, Certificate[]>, key: string] {
    return name.startsWith("*") ? [this.#starred, name.slice(1)] : [this.#exact, name];
  }
}

const isOdd = (name: string): boolean => name.startsWith("*") && !name.startsWith("*.") && name !== "*";

function laterFirst(a: Certificate, b: Certificate): number {
  if (a.written !== b.written) return b.written - a.written;
  return a.id < b.id ? 1 : -1;
}
