import type { Attempt, Consumer, RequestContext, ResponseHead, RouteInfo, UpstreamRequest } from "./context.ts";

/**
 * Requests and answers for unit tests of plugins, matchers and log formats: the
 * contract of `context.ts` on plain lists, without sockets.
 */

type HeaderList = [name: string, value: string][];

/** What a test says of its request; everything else has a plain value. */
export interface FakeRequestOptions {
  method?: string;
  body?: string;
  answerBody?: string | Buffer;
  target?: string;
  protocol?: string;
  headers?: readonly (readonly [name: string, value: string])[];
  remoteAddr?: string;
  peerTrusted?: boolean;
  route?: Partial<RouteInfo>;
  status?: number;
  responseHeaders?: readonly (readonly [name: string, value: string])[];
  attempts?: readonly Attempt[];
  trailers?: readonly (readonly [name: string, value: string])[];
}

function find(headers: HeaderList, name: string): string | undefined {
  const values = headers.filter(([key]) => key.toLowerCase() === name.toLowerCase()).map(([, value]) => value);
  return values.length === 0 ? undefined : values.join(", ");
}

function remove(headers: HeaderList, name: string): void {
  for (let i = headers.length - 1; i >= 0; i--) {
    if (headers[i]?.[0].toLowerCase() === name.toLowerCase()) headers.splice(i, 1);
  }
}

const editing = (headers: HeaderList) => ({
  header: (name: string) => find(headers, name),
  setHeader(name: string, value: string) {
    const at = headers.findIndex(([key]) => key.toLowerCase() === name.toLowerCase());
    remove(headers, name);
    headers.splice(at === -1 ? headers.length : at, 0, [name, value]);
  },
  addHeader(name: string, value: string) {
    headers.push([name, value]);
  },
  removeHeader(name: string) {
    remove(headers, name);
  },
});

/** The request to the node, with its headers to look at. */
export type FakeUpstreamRequest = UpstreamRequest & { readonly list: HeaderList };

/** A request whose `upstream.list` and `consumer` a test may look at. */
export type FakeRequest = RequestContext & {
  readonly upstream: FakeUpstreamRequest;
  /** What `limitBody` was told. */
  readonly bodyLimit: number;
};

/** Builds a request of a GET for `/`, from 127.0.0.1, unless told otherwise. */
export function buildRequest(options: FakeRequestOptions = {}): FakeRequest {
  const target = options.target ?? "/";
  const question = target.indexOf("?");
  const rawPath = question === -1 ? target : target.slice(0, question);
  const query = question === -1 ? "" : target.slice(question + 1);
  const headers: HeaderList = (options.headers ?? [["Host", "127.0.0.1:9080"]]).map(([name, value]) => [name, value]);
  const sent: HeaderList = headers.map(([name, value]) => [name, value]);
  const answered: HeaderList = (options.responseHeaders ?? []).map(([name, value]) => [name, value]);
  const trailers = [...(options.trailers ?? [])];
  let consumer: Consumer | null = null;
  let bodyLimit = 0;
  let captured: Buffer | null = null;
  let capturedAnswer: Buffer | null = null;
  let remote = { address: options.remoteAddr ?? "127.0.0.1", port: 50000 };
  return {
    method: options.method ?? "GET",
    target,
    uri: normalise(rawPath),
    routePath: normalise(rawPath),
    query,
    protocol: options.protocol ?? "HTTP/1.1",
    scheme: "http",
    tls: null,
    host: (find(headers, "host") ?? "").replace(/:\d+$/, "").toLowerCase(),
    get remoteAddr() {
      return remote.address;
    },
    get remotePort() {
      return remote.port;
    },
    realipRemoteAddr: "127.0.0.1",
    realipRemotePort: 50001,
    proxied: null,
    serverAddr: "127.0.0.1",
    serverPort: 9080,
    peerTrusted: options.peerTrusted ?? false,
    realIpHeader: "x-real-ip",
    startedAt: 1_700_000_000_000,
    connectionRequests: 1,
    connectionId: 7,
    connectionTime: 1.5,
    header: (name) => find(headers, name),
    headers: () => headers,
    argument: (name) => decodedArguments(query).find(([key]) => key === name)?.[1],
    bodyFor: () => (options.body === undefined ? null : Buffer.from(options.body)),
    readBody(limit) {
      const body = Buffer.from(options.body ?? "");
      return Promise.resolve(body.length <= limit ? body : null);
    },
    limitBody(bytes) {
      bodyLimit = bytes;
    },
    captureBody(limit) {
      captured = options.body === undefined ? null : Buffer.from(options.body).subarray(0, limit);
    },
    captureAnswer(limit) {
      const body = options.answerBody;
      capturedAnswer = body === undefined ? null : Buffer.from(body as string).subarray(0, limit);
    },
    get capturedBody() {
      return captured;
    },
    get capturedAnswer() {
      return capturedAnswer;
    },
    get bodyLimit() {
      return bodyLimit;
    },
    setRemote(address, port) {
      remote = { address, port };
    },
    cookie: (name) =>
      (find(headers, "cookie") ?? "")
        .split(/[;,] */)
        .map((pair) => [pair.slice(0, Math.max(0, pair.indexOf("="))), pair.slice(pair.indexOf("=") + 1)])
        .findLast(([key]) => key === name)?.[1],
    route: { id: "1", name: "", serviceId: "", serviceName: "", ...options.route },
    get consumer() {
      return consumer;
    },
    authenticate(found) {
      consumer = found;
    },
    upstream: {
      method: options.method ?? "GET",
      target,
      host: null,
      bufferBody: false,
      body: null,
      choice: null,
      list: sent,
      ...editing(sent),
    },
    values: new Map(),
    status: options.status ?? 200,
    bodyBytesSent: 12,
    bytesSent: 150,
    completed: true,
    requestLength: 80,
    requestTime: 0.0042,
    attempts: options.attempts ?? [],
    nodeHeader: (name) => find(answered, name),
    nodeCookie: (name) => find(answered, "set-cookie")?.split(";")[0]?.split(`${name}=`)[1],
    nodeBodyBytes: 12,
    responseHeader: (name) => find(answered, name),
    responseHeaders: () => answered,
    takeTrailers: () => trailers.splice(0),
  };
}

/** An answer's head that remembers what was done to it. */
export type FakeResponseHead = ResponseHead & {
  readonly list: HeaderList;
  readonly replaced: () => string | null;
  readonly streamed: () => boolean;
};

/** Builds the head of an answer of the node (or of the gateway itself). */
export function buildResponseHead(
  status = 200,
  headers: readonly (readonly [name: string, value: string])[] = [],
  fromUpstream = true,
): FakeResponseHead {
  const list: HeaderList = headers.map(([name, value]) => [name, value]);
  let body: Uint8Array | null = null;
  let streamed = false;
  return {
    status,
    fromUpstream,
    list,
    received: () => (fromUpstream ? headers : []),
    ...editing(list),
    replaceBody(bytes) {
      body = bytes;
    },
    streamBody() {
      streamed = true;
    },
    replaced: () => (body === null ? null : Buffer.from(body).toString()),
    streamed: () => streamed,
  };
}

/** A consumer with a key. */
export function buildConsumer(username: string, authConf: Readonly<Record<string, unknown>> = {}): Consumer {
  return { username, groupId: null, customId: null, credentialId: null, authConf, plugins: {} };
}

/** Percent-decoding of UTF-8. */
function decode(text: string): string {
  const bytes = text.replaceAll(/%([0-9a-f]{2})/gi, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 16)),
  );
  return Buffer.from(bytes, "latin1").toString();
}

function decodedArguments(query: string): [string, string][] {
  return query.split("&").map((pair) => {
    const equals = pair.indexOf("=");
    const [name, value] = equals === -1 ? [pair, ""] : [pair.slice(0, equals), pair.slice(equals + 1)];
    return [decode(name.replaceAll("+", " ")), decode(value.replaceAll("+", " "))];
  });
}

function normalise(rawPath: string): string {
  const segments: string[] = [];
  const parts = decode(rawPath).split("/").slice(1);
  for (const [i, part] of parts.entries()) {
    const last = i === parts.length - 1;
    if (part === "..") segments.pop();
    if (part === "." || part === "..") {
      if (last) segments.push("");
    } else if (part !== "" || last) segments.push(part);
  }
  return `/${segments.join("/")}`;
}
