import { hostName } from "../lib/host-name.ts";
import { compilePathAdjustment, normalisePath, withEncodedSlashes } from "../lib/normalise-path.ts";
import type { RequestContext } from "../plugin/context.ts";
import { decodeQuery } from "../plugin/query.ts";
import { textOfWire } from "../plugin/wire-text.ts";
import type { Settings } from "../settings/settings.ts";

/** A request that nobody has sent. */
export interface DescribedRequest {
  readonly method: string;
  /** In origin form, with its query: `/orders/7?full=1`. */
  readonly target: string;
  /** The Host header; `""`: none. */
  readonly host: string;
  readonly scheme: "http" | "https";
  /** By lower-case name. */
  readonly headers: ReadonlyMap<string, string>;
  readonly remoteAddr: string;
}

/** The settings that have a say in which path is matched. */
export type PathSettings = Pick<Settings, "matching"> & {
  readonly http: Pick<Settings["http"], "normalizeUriLikeServlet" | "deleteUriTailSlash">;
};

/** The request as matching sees it; `null` where its path would be refused. */
export function describeRequest(request: DescribedRequest, settings: PathSettings): RequestContext | null {
  const { host } = request;
  const target = onTheWire(request.target);
  const headers = new Map(Array.from(request.headers, ([name, value]) => [name, onTheWire(value)]));
  const question = target.indexOf("?");
  const rawPath = question === -1 ? target : target.slice(0, question);
  const query = question === -1 ? "" : target.slice(question + 1);
  const normal = normalisePath(rawPath);
  const { normalizeUriLikeServlet, deleteUriTailSlash } = settings.http;
  const adjust = compilePathAdjustment(normalizeUriLikeServlet, deleteUriTailSlash);
  const uri = normal === null || adjust === null ? normal : adjust(normal);
  if (uri === null) return null;
  const header = (name: string): string | undefined => (name === "host" && host !== "" ? host : headers.get(name));
  const list = [...(host === "" ? [] : [["Host", host] as const]), ...headers];
  return {
    ...unsent,
    method: request.method,
    target,
    uri,
    routePath: settings.matching.encodedSlash ? withEncodedSlashes(target, uri) : uri,
    query,
    scheme: request.scheme,
    host: hostName(host),
    remoteAddr: request.remoteAddr,
    realipRemoteAddr: request.remoteAddr,
    startedAt: Date.now(),
    header,
    headers: () => list,
    argument: (name) => pairsOf(query, "&").find(([key]) => textOfWire(decodeQuery(key)) === name)?.[1],
    cookie: (name) =>
      pairsOf(header("cookie") ?? "", ";")
        .findLast(([key]) => key.trim() === name)?.[1]
        .trim(),
    values: new Map(),
  };
}

/** Variables that have the value that they would have for the request, whoever takes it. */
const toldVariables =
  /^(?:(?:arg|cookie|http)_.+|args|content_(?:length|type)|document_uri|host|hostname|https?|is_args|method|query_string|(?:real_)?request_uri|remote_addr|remote_user|request(?:_line|_method)?|route_(?:id|name)|scheme|server_name|service_(?:id|name)|uri)$/;

/** Whether the description of a request says what the variable's value is. */
export function isTold(variable: string): boolean {
  return toldVariables.test(variable);
}

/** A text as it would come: in UTF-8, one character for each byte. */
const onTheWire = (text: string): string => Buffer.from(text).toString("latin1");

function pairsOf(text: string, separator: string): [name: string, value: string][] {
  return text.split(separator).map((pair) => {
    const equals = pair.indexOf("=");
    if (equals === -1) return [pair, ""];
    const value = pair.slice(equals + 1);
    return [pair.slice(0, equals), separator === "&" ? textOfWire(decodeQuery(value)) : value];
  });
}

const nothing = (): undefined => undefined;

/** What a request has that was received and answered, of one that was not. */
const unsent: Omit<
  RequestContext,
  "method" | "target" | "uri" | "routePath" | "query" | "host" | "header" | "headers"
> = {
  protocol: "HTTP/1.1",
  scheme: "http",
  tls: null,
  remoteAddr: "",
  remotePort: 0,
  realipRemoteAddr: "",
  realipRemotePort: 0,
  proxied: null,
  peerTrusted: false,
  realIpHeader: "",
  serverAddr: "",
  serverPort: 0,
  startedAt: 0,
  connectionRequests: 1,
  connectionId: 0,
  connectionTime: 0,
  argument: nothing,
  cookie: nothing,
  bodyFor: () => null,
  readBody: () => Promise.resolve(null),
  limitBody: nothing,
  captureBody: nothing,
  captureAnswer: nothing,
  capturedBody: null,
  capturedAnswer: null,
  setRemote: nothing,
  nodeHeader: nothing,
  nodeCookie: nothing,
  nodeBodyBytes: 0,
  route: { id: "", name: "", serviceId: "", serviceName: "" },
  consumer: null,
  authenticate: nothing,
  upstream: {
    method: "",
    target: "",
    host: null,
    header: nothing,
    setHeader: nothing,
    addHeader: nothing,
    removeHeader: nothing,
    bufferBody: false,
    body: null,
    choice: null,
  },
  values: new Map(),
  status: 0,
  bodyBytesSent: 0,
  bytesSent: 0,
  completed: false,
  requestLength: 0,
  requestTime: 0,
  attempts: [],
  responseHeader: nothing,
  responseHeaders: () => [],
  takeTrailers: () => [],
};
