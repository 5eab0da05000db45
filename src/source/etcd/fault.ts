import { status, type StatusObject } from "@grpc/grpc-js";
import { Code, EtcdError } from "./etcd-error.ts";

/** What the status of a call on an established connection means. */
export function faultOf({ code, details, metadata }: StatusObject): EtcdError {
  // The library's own statuses look like the member's, but have come with no headers.
  const [type] = metadata.get("content-type");
  if (String(type).startsWith("application/grpc") || details.startsWith("etcdserver: ")) {
    return new EtcdError(code, details === "" ? `status ${code}` : details, { answered: true });
  }
  if (code === status.DEADLINE_EXCEEDED) return outOfTime(true);
  if (details.includes("larger than")) return new EtcdError(Code.outOfSize, details);
  // RFC 9113, 8.7: nothing of a refused stream was processed.
  return new EtcdError(Code.unavailable, reasonOfDetails(details), { sent: details !== "Stream refused by server" });
}

/** No answer within the time or silence that the caller allows. */
export function outOfTime(sent: boolean): EtcdError {
  return new EtcdError(Code.deadlineExceeded, "no answer in time", { sent });
}

/** The library's words for a connection that failed or was lost, without what is around the reason. */
export function reasonOfDetails(details: string): string {
  const last = /Last error: (?:Error: )?(.*?)(?: \([^()]*Z\))?\. Resolution note:/s.exec(details);
  const words = last?.[1] ?? details;
  if (words.includes("ECONNREFUSED")) return "connection refused";
  if (words.includes("ECONNRESET")) return "connection reset";
  if (words.startsWith("Name resolution failed")) return "unknown host";
  return closedWords.has(words) ? "the connection was closed" : words;
}

const closedWords = new Set([
  "Connection dropped",
  "Failed to connect",
  "Cancelled on client",
  "Call cancelled",
  "Channel closed before call started",
]);

/** Why a socket or a file failed, for people. */
export function reasonOfError(error: Error): string {
  const { code, message, library, reason } = error as NodeJS.ErrnoException & Partial<OpensslWords>;
  if (code === "ECONNRESET") return "connection reset";
  // Node's advice after a semicolon is for those who run Node.
  return library === undefined ? message.split("; ")[0]! : `TLS: ${reason ?? message}`;
}

/** What Node adds to an error of OpenSSL, whose message has a code in front and a place in its source behind. */
interface OpensslWords {
  readonly library: string;
  readonly reason: string;
}
