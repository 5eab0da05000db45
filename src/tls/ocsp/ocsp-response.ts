import { type KeyObject, verify, X509Certificate } from "node:crypto";
import { type CertificateId, isSameCertificate } from "./certificate-id.ts";
import { contextTag, DerReader, oidText, tags, timeOf } from "../../lib/der.ts";

/** What a responder said of a certificate (RFC 6960, section 4.2), once it has passed every check. */
export interface CheckedResponse {
  /** Others than `good` are not shown, as with nginx. */
  readonly status: "good" | "revoked" | "unknown";
  /** Unix milliseconds until which it counts; `null`: the responder has newer news at any time. */
  readonly nextUpdate: number | null;
}

/** What a response is held against. */
export interface ResponseCheck {
  readonly id: CertificateId;
  readonly issuer: X509Certificate;
  /** Unix milliseconds. */
  readonly now: number;
  /** `ocsp_stapling.skip_verify`: whoever has signed it. */
  readonly skipSignature: boolean;
}

/** What clocks may differ by. */
const SKEW_MS = 300_000;
/** More certificates than this are sent by nobody who means well. */
const MAX_SIGNERS = 8;
const BASIC = "1.3.6.1.5.5.7.48.1.1";
const OCSP_SIGNING = "1.3.6.1.5.5.7.3.9";

const refusals = new Map([
  [1, "malformedRequest"],
  [2, "internalError"],
  [3, "tryLater"],
  [5, "sigRequired"],
  [6, "unauthorized"],
]);

/** Digests by the algorithm of the signature; none: it is part of the algorithm. */
const algorithms = new Map<string, string | null>([
  ["1.2.840.113549.1.1.11", "sha256"],
  ["1.2.840.113549.1.1.12", "sha384"],
  ["1.2.840.113549.1.1.13", "sha512"],
  ["1.2.840.10045.4.3.2", "sha256"],
  ["1.2.840.10045.4.3.3", "sha384"],
  ["1.2.840.10045.4.3.4", "sha512"],
  ["1.3.101.112", null],
]);

/** Reads a response; throws why it says nothing of the certificate. */
export function checkOcspResponse(bytes: Uint8Array, check: ResponseCheck): CheckedResponse {
  const basic = basicResponse(bytes);
  const data = basic.next(tags.sequence);
  const algorithm = oidText(basic.into(tags.sequence).next(tags.oid));
  const signature = basic.next(tags.bitString).content.subarray(1);
  const certificates = basic.optional(contextTag(0));
  basic.end();
  const response = singleResponse(new DerReader(data.content), check);
  if (!check.skipSignature) {
    const candidates = [check.issuer, ...signersIn(certificates?.content ?? null, check)];
    checkSignature({ data: data.raw, algorithm, signature }, candidates);
  }
  return response;
}

function basicResponse(bytes: Uint8Array): DerReader {
  const outer = new DerReader(bytes);
  const reader = outer.into(tags.sequence);
  outer.end();
  const [status = -1] = reader.next(tags.enumerated).content;
  if (status !== 0) throw new Error(`the responder says ${refusals.get(status) ?? `status ${status}`}`);
  const content = reader.into(contextTag(0)).into(tags.sequence);
  if (oidText(content.next(tags.oid)) !== BASIC) throw new Error("the response is of an unknown type");
  return new DerReader(content.next(tags.octetString).content).into(tags.sequence);
}

/** The part of the response that is about our certificate. */
function singleResponse(data: DerReader, check: ResponseCheck): CheckedResponse {
  data.optional(contextTag(0));
  // By name or by key: the signature tells who it was.
  data.next();
  data.next(tags.generalizedTime);
  const responses = data.into(tags.sequence);
  while (!responses.done) {
    const single = responses.into(tags.sequence);
    if (isSameCertificate(check.id, single.into(tags.sequence))) return judge(single, check.now);
  }
  throw new Error("the response is about another certificate");
}

function judge(single: DerReader, now: number): CheckedResponse {
  const status = (["good", "revoked", "unknown"] as const)[single.next().tag & 0x1f];
  if (status === undefined) throw new Error("the response has an unknown status");
  const thisUpdate = timeOf(single.next(tags.generalizedTime));
  const next = single.optional(contextTag(0));
  const nextUpdate = next === null ? null : timeOf(new DerReader(next.content).next(tags.generalizedTime));
  if (thisUpdate > now + SKEW_MS) throw new Error("the response is not valid yet");
  if (nextUpdate !== null && nextUpdate <= now) throw new Error("the response has expired");
  return { status, nextUpdate };
}

/** Certificates in the response that the issuer lets sign for it (RFC 6960, section 4.2.2.2). */
function signersIn(list: Uint8Array | null, { issuer, now }: ResponseCheck): readonly X509Certificate[] {
  if (list === null) return [];
  const reader = new DerReader(list).into(tags.sequence);
  const signers: X509Certificate[] = [];
  for (let count = 0; !reader.done && count < MAX_SIGNERS; count++) {
    const signer = new X509Certificate(reader.next(tags.sequence).raw);
    const current = signer.validFromDate.getTime() <= now + SKEW_MS && now < signer.validToDate.getTime();
    const may = (signer.keyUsage ?? []).includes(OCSP_SIGNING);
    if (current && may && signer.checkIssued(issuer) && signer.verify(issuer.publicKey)) signers.push(signer);
  }
  return signers;
}

interface Signed {
  readonly data: Buffer;
  readonly algorithm: string;
  readonly signature: Buffer;
}

function checkSignature({ data, algorithm, signature }: Signed, signers: readonly X509Certificate[]): void {
  const digest = algorithms.get(algorithm);
  if (digest === undefined) throw new Error(`the response is signed with an unknown algorithm (${algorithm})`);
  for (const { publicKey } of signers) if (verifies(digest, data, publicKey, signature)) return;
  throw new Error("the response is not signed by the issuer of the certificate");
}

/** A key of another kind than the algorithm's is no fault of its own. */
function verifies(digest: string | null, data: Buffer, key: KeyObject, signature: Buffer): boolean {
  try {
    return verify(digest, data, key, signature);
  } catch {
    return false;
  }
}
