import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Ssl } from "../schema/ssl.ts";

/** Certificates for tests, made by the `openssl` command while they run. */

/** A certificate and its key, in PEM form. */
export interface Pair {
  readonly cert: string;
  readonly key: string;
}

/** What a certificate is made with. */
export interface PairOptions {
  /** The subject's common name, and the names that it is for. */
  readonly name: string;
  readonly names?: readonly string[];
  /** `ec` unless given, which is quick. */
  readonly kind?: "ec" | "rsa";
  /** Who signs it; absent: itself. */
  readonly issuer?: Pair;
  /** May sign others. */
  readonly authority?: boolean;
  /** Days from now; negative ones have passed. */
  readonly days?: number;
}

/** Makes a certificate. */
export function makePair({
  name,
  names = [name],
  kind = "ec",
  issuer,
  authority = false,
  days = 30,
}: PairOptions): Pair {
  const dir = mkdtempSync(join(tmpdir(), "turnpike-cert-"));
  const file = (leaf: string): string => join(dir, leaf);
  try {
    const key = kind === "ec" ? ["ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"] : ["rsa:2048"];
    const sans = names.map((one) => `DNS:${one}`).join(",");
    const extensions = authority ? "basicConstraints=critical,CA:TRUE" : "basicConstraints=CA:FALSE";
    writeFileSync(file("ext"), `${extensions}\nsubjectAltName=${sans}\n`);
    openssl([
      "req",
      "-new",
      "-nodes",
      "-newkey",
      ...key,
      "-keyout",
      file("key"),
      "-out",
      file("csr"),
      "-subj",
      `/CN=${name}`,
    ]);
    const signer = issuer === undefined ? ["-signkey", file("key")] : signedBy(issuer, file);
    const time = days < 0 ? pastDates(days) : ["-days", String(days)];
    openssl(["x509", "-req", "-in", file("csr"), "-out", file("crt"), "-extfile", file("ext"), ...signer, ...time]);
    return { cert: readFileSync(file("crt"), "utf8"), key: readFileSync(file("key"), "utf8") };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

function signedBy(issuer: Pair, file: (leaf: string) => string): string[] {
  writeFileSync(file("ca.crt"), issuer.cert);
  writeFileSync(file("ca.key"), issuer.key);
  return ["-CA", file("ca.crt"), "-CAkey", file("ca.key"), "-CAcreateserial"];
}

/** `openssl x509` before 3.4 cannot say when a certificate begins, but takes a lifetime that has passed. */
function pastDates(days: number): string[] {
  return ["-days", String(days)];
}

function openssl(args: readonly string[]): void {
  execFileSync("openssl", args, { stdio: ["ignore", "ignore", "pipe"] });
}

/** A resource as a worker gets it. */
export function sslOf(id: string, names: readonly string[], pair: Pair, changes: Partial<Ssl> = {}): Ssl {
  return { id, snis: names, type: "server", status: 1, ...pair, ...changes };
}
