import { STATUS_CODES } from "../../lib/node-http.ts";
import type { AdminAnswer } from "./exchange.ts";

/** An error as APISIX words it: `{"error_msg": …}`. */
export function refuse(status: number, error_msg: string, more: object = {}): AdminAnswer {
  return { status, body: { error_msg, ...more } };
}

/** What APISIX answers for a resource that is not there. */
export const keyNotFound: AdminAnswer = { status: 404, body: { message: "Key not found" } };

/** `answer` with more headers. */
export function withHeaders(answer: AdminAnswer, headers: Readonly<Record<string, string>>): AdminAnswer {
  return { ...answer, headers: { ...answer.headers, ...headers } };
}

/** A small page for requests that reach no handler, where APISIX shows nginx's. */
export function page(status: number, reason: string): AdminAnswer {
  const title = `${status} ${STATUS_CODES[status] ?? ""}`;
  const text = reason.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
  const body =
    `<html>\n<head><title>${title}</title></head>\n<body>\n<center><h1>${title}</h1></center>\n` +
    `<hr><center>${text}</center>\n</body>\n</html>\n`;
  return { status, body, headers: { "Content-Type": "text/html; charset=utf-8" } };
}

/** The page for a method that nothing here answers. */
export const unknownMethod = (method: string): AdminAnswer => page(404, `method ${method} is not known here`);
