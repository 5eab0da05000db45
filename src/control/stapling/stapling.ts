import { reasonOf } from "../../lib/errors.ts";
import { onDemand } from "../../lib/on-demand.ts";
import type { ControlToWorker } from "../../messages/messages.ts";
import type { Change } from "../../schema/kinds.ts";
import type { Ssl } from "../../schema/ssl.ts";
import type { BeforeWorkers } from "../publisher.ts";
import type { Stapler, StaplerParts } from "./stapler.ts";

const loadStapler = onDemand<typeof import("./stapler.ts")>(import.meta.url, "./stapler");
const loadReader = onDemand<typeof import("./stapled-certificate.ts")>(import.meta.url, "./stapled-certificate");

/** Has the responders asked of those certificates whose `ocsp_stapling` says so; nothing is loaded where none does. */
export class Stapling implements BeforeWorkers {
  readonly #parts: StaplerParts;
  #stapler: Stapler | null = null;
  /** Certificates by resource. */
  readonly #counts = new Map<string, number>();

  constructor(parts: StaplerParts) {
    this.#parts = parts;
  }

  apply(changes: readonly Change[]): void {
    for (const { kind, id, text } of changes) {
      if (kind !== "ssls") continue;
      this.#drop(id);
      // Most have none: reading them all would cost the start of whoever has thousands.
      if (text?.includes('"ocsp_stapling"') === true) this.#set(id, JSON.parse(text) as Ssl);
    }
  }

  greeting(): readonly ControlToWorker[] {
    const staples = this.#stapler?.staples() ?? [];
    return staples.length === 0 ? [] : [{ type: "staples", staples }];
  }

  close(): void {
    this.#stapler?.close();
  }

  #drop(id: string): void {
    for (let at = 0; at < (this.#counts.get(id) ?? 0); at++) this.#stapler?.set(`${id}/${at}`, null);
    this.#counts.delete(id);
  }

  #set(id: string, { type, status, cert, certs = [], ocsp_stapling: stapling }: Ssl): void {
    if (stapling?.enabled !== true || status === 0 || type === "client") return;
    const { Stapler: Made } = loadStapler();
    const stapler = (this.#stapler ??= new Made(this.#parts));
    const all = [cert, ...certs];
    this.#counts.set(id, all.length);
    all.forEach((pem, at) => {
      try {
        const certificate = loadReader().readStapledCertificate(pem);
        const ttlMs = stapling.cache_ttl * 1_000;
        const owner = `ssls/${id}`;
        stapler.set(`${id}/${at}`, { certificate, owner, skipVerify: stapling.skip_verify, ttlMs });
      } catch (error) {
        this.#parts.log.warn(`ssls/${id}: no OCSP response to staple: ${reasonOf(error)}`);
      }
    });
  }
}
