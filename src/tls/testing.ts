import { execFileSync } from "node:child_process";
import { X509Certificate } from "node:crypto";
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
  /** Where its OCSP responder is. */
  readonly responder?: string;
  /** It may sign for its issuer's responder. */
  readonly signsOcsp?: boolean;
}

/** Makes a certificate. */
export function makePair({
  name,
  names = [name],
  kind = "ec",
  issuer,
  authority = false,
  days = 30,
  responder,
  signsOcsp = false,
}: PairOptions): Pair {
  const dir = mkdtempSync(join(tmpdir(), "turnpike-cert-"));
  const file = (leaf: string): string => join(dir, leaf);
  try {
    const key = kind === "ec" ? ["ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"] : ["rsa:2048"];
    const sans = names.map((one) => `DNS:${one}`).join(",");
    const extensions = [
      authority ? "basicConstraints=critical,CA:TRUE" : "basicConstraints=CA:FALSE",
      `subjectAltName=${sans}`,
      ...(responder === undefined ? [] : [`authorityInfoAccess=OCSP;URI:${responder}`]),
      ...(signsOcsp ? ["extendedKeyUsage=OCSPSigning"] : []),
    ];
    writeFileSync(file("ext"), `${extensions.join("\n")}\n`);
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
    openssl([
      "x509",
      "-req",
      "-in",
      file("csr"),
      "-out",
      file("crt"),
      "-extfile",
      file("ext"),
      ...signer,
      "-days",
      String(days),
    ]);
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

function openssl(args: readonly string[]): void {
  execFileSync("openssl", args, { stdio: ["ignore", "ignore", "pipe"] });
}

/** What a responder knows of one certificate. */
export interface OcspAnswer {
  readonly issuer: Pair;
  readonly certificate: Pair;
  readonly status: "good" | "revoked";
  /** Who signs; the issuer unless given. */
  readonly signer?: Pair;
}

/** Answers an `OCSPRequest` with the `openssl` command; news follow in a day. */
export function answerOcsp(request: Uint8Array, { issuer, certificate, status, signer = issuer }: OcspAnswer): Buffer {
  const dir = mkdtempSync(join(tmpdir(), "turnpike-ocsp-"));
  const file = (leaf: string): string => join(dir, leaf);
  try {
    const { serialNumber } = new X509Certificate(certificate.cert);
    const [letter, revoked] = status === "good" ? ["V", ""] : ["R", "250101000000Z"];
    writeFileSync(file("index"), `${letter}\t351231235959Z\t${revoked}\t${serialNumber}\tunknown\t/CN=x\n`);
    writeFileSync(file("request"), request);
    writeFileSync(file("ca"), issuer.cert);
    writeFileSync(file("cert"), signer.cert);
    writeFileSync(file("key"), signer.key);
    const signs = ["-CA", file("ca"), "-rsigner", file("cert"), "-rkey", file("key"), "-ndays", "1"];
    openssl(["ocsp", "-index", file("index"), ...signs, "-reqin", file("request"), "-respout", file("response")]);
    return readFileSync(file("response"));
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** A resource as a worker gets it. */
export function sslOf(id: string, names: readonly string[], pair: Pair, changes: Partial<Ssl> = {}): Ssl {
  return { id, snis: names, type: "server", status: 1, ...pair, ...changes };
}
