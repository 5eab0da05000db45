import { formatHash } from "../lib/content-hash.ts";
import type { CertificateReport, ConfigReport, SentConfigReport } from "../messages/messages.ts";
import type { Parcel } from "./delivery.ts";

/** Keeps what `GET /status/config` shows of the source, and passes every change of it on. */
export class ConfigReporter {
  readonly #send: (report: SentConfigReport) => void;
  #report: ConfigReport;
  /** The rejections that were sent last. */
  #sent: ConfigReport["rejected"] | null = null;

  constructor(source: string, send: (report: SentConfigReport) => void) {
    this.#send = send;
    this.#report = {
      source,
      revision: 0,
      hash: formatHash(0n),
      loadedAt: 0,
      lastChangeAt: 0,
      lastFailure: null,
      rejected: [],
    };
  }

  /** What was told last. */
  get report(): ConfigReport {
    return this.#report;
  }

  /** Loads were accepted, and are on their way to the workers. */
  loaded({ revision, hash, changes, rejected, firstAt, lastAt }: Parcel): void {
    const { lastFailure } = this.#report;
    this.#publish({
      revision,
      hash: formatHash(hash),
      loadedAt: lastAt,
      changes: changes.length,
      ...(changes.length > 0 && { lastChangeAt: lastAt, firstChangeAt: firstAt }),
      lastFailure: lastFailure === null ? null : { ...lastFailure, current: false },
      rejected,
    });
  }

  /** Told with the next load. */
  certificates(certificates: CertificateReport): void {
    this.#report = { ...this.#report, certificates };
  }

  /** The source's revision has grown, and nothing had changed. */
  advanced(revision: number): void {
    const { lastFailure } = this.#report;
    this.#publish({ revision, lastFailure: lastFailure === null ? null : { ...lastFailure, current: false } });
  }

  /** What the workers held already when this control thread started. */
  inherited(revision: number, hash: bigint, now: number): void {
    this.#publish({ revision, hash: formatHash(hash), loadedAt: now, lastChangeAt: now });
  }

  /** The source failed; what was loaded stays. */
  failed(error: string, now: number): void {
    this.#publish({ lastFailure: { at: now, error, current: true } });
  }

  /** The source works again, and nothing had changed. */
  recovered(): void {
    const { lastFailure } = this.#report;
    if (lastFailure !== null) this.#publish({ lastFailure: { ...lastFailure, current: false } });
  }

  #publish(change: Partial<ConfigReport>): void {
    this.#report = { ...this.#report, ...change };
    const { rejected, ...others } = this.#report;
    this.#send(rejected === this.#sent ? others : this.#report);
    this.#sent = rejected;
  }
}
