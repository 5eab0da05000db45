import { compileAddresses } from "../lib/cidr.ts";
import type { Consumer, RequestContext, UpstreamRequest } from "../plugin/context.ts";
import { decodeQuery } from "../plugin/query.ts";

/** A request that is only thought of. */
export interface ImaginedRequest {
  readonly method: string;
  /** Host without port, as sent. */
  readonly host: string;
  /** The request target in origin form, with its query. */
  readonly target: string;
  readonly headers?: readonly (readonly [name: string, value: string])[];
  /** 127.0.0.1 unless given. */
  readonly remoteAddr?: string;
  readonly body?: string;
  /** The path as routes are matched with, where the caller has normalised it; else that of the target. */
  readonly path?: string;
  readonly consumer?: Consumer;
}

/** What matchers and pickers see of such a request. Throws an Error where it cannot be one. */
export function imagineContext(request: ImaginedRequest): RequestContext {
  const { method, target, remoteAddr = "127.0.0.1", headers = [], consumer = null } = request;
  if (!target.startsWith("/")) throw new Error("the path must begin with /");
  compileAddresses([remoteAddr]);
  const question = target.indexOf("?");
  const query = question < 0 ? "" : target.slice(question + 1);
  const uri = request.path ?? decodeText(question < 0 ? target : target.slice(0, question));
  const host = request.host.toLowerCase().replace(/\.$/, "");
  const fields = new Map<string, string>([["host", request.host]]);
  for (const [name, value] of headers) {
    const lower = name.toLowerCase();
    const before = fields.get(lower);
    fields.set(lower, before === undefined || lower === "host" ? value : `${before}, ${value}`);
  }
  const pairs = query.split("&").map((pair): readonly [string, string] => {
    const equals = pair.indexOf("=");
    return equals < 0
      ? [decodeText(pair), ""]
      : [decodeText(pair.slice(0, equals)), decodeText(pair.slice(equals + 1))];
  });
  const cookies = (fields.get("cookie") ?? "").split(/[;,]\s*/).map((pair) => pair.split(/=(.*)/s, 2));
  return {
    ...NOWHERE,
    method,
    target,
    uri,
    routePath: uri,
    query,
    host,
    remoteAddr,
    realipRemoteAddr: remoteAddr,
    consumer,
    values: new Map(),
    header: (name) => fields.get(name),
    headers: () => [["Host", request.host] as const, ...headers],
    argument: (name) => (query === "" ? undefined : pairs.find(([key]) => key === name)?.[1]),
    cookie: (name) => cookies.findLast(([key]) => key === name)?.[1],
    bodyFor: () => (request.body === undefined ? null : Buffer.from(request.body)),
    upstream: { ...NO_UPSTREAM, method, target, header: (name) => fields.get(name) },
  };
}

const decodeText = (text: string): string => Buffer.from(decodeQuery(text), "latin1").toString("utf8");
const nothing = (): undefined => undefined;

const NO_UPSTREAM: UpstreamRequest = {
  method: "GET",
  target: "/",
  host: null,
  scheme: "http",
  header: nothing,
  setHeader: nothing,
  addHeader: nothing,
  removeHeader: nothing,
};

/** What nobody can know of a request that was never sent. */
const NOWHERE = {
  protocol: "HTTP/1.1",
  scheme: "http",
  remotePort: 0,
  serverAddr: "",
  serverPort: 0,
  startedAt: 0,
  connectionRequests: 1,
  connectionId: 0,
  route: { id: "", name: "", serviceId: "", serviceName: "" },
  authenticate: nothing,
  status: 0,
  bodyBytesSent: 0,
  bytesSent: 0,
  requestLength: 0,
  requestTime: 0,
  attempts: [],
  responseHeader: nothing,
} as const;
