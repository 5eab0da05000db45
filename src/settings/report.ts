import { formatKeyPath, type KeyPath } from "./key-path.ts";
import type { Finding } from "./settings.ts";

/** Collects what is found in one file. */
export class Report {
  readonly #file: string;
  readonly #lineOf: (path: KeyPath) => number;
  readonly #findings: Finding[] = [];

  /** `lineOf`: the 1-based line of a key, or of what encloses it; 0 where there is none. */
  constructor(file: string, lineOf: (path: KeyPath) => number) {
    this.#file = file;
    this.#lineOf = lineOf;
  }

  error(path: KeyPath, message: string): void {
    this.#add("error", path, this.#lineOf(path), message);
  }

  warning(path: KeyPath, message: string): void {
    this.#add("warning", path, this.#lineOf(path), message);
  }

  /** A finding about the text, not about a key. */
  errorAt(line: number, message: string): void {
    this.#add("error", [], line, message);
  }

  /** In the order of the file; what has no line comes last. */
  findings(): Finding[] {
    const rank = (finding: Finding): number => (finding.line === 0 ? Number.POSITIVE_INFINITY : finding.line);
    return this.#findings.toSorted((a, b) => (rank(a) === rank(b) ? 0 : rank(a) - rank(b)));
  }

  #add(severity: Finding["severity"], path: KeyPath, line: number, message: string): void {
    this.#findings.push({ severity, file: this.#file, line, field: formatKeyPath(path), message });
  }
}
