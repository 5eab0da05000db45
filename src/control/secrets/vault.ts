import type { ClientRequest, IncomingMessage } from "node:http";
import type { Agent as HttpsAgent } from "node:https";
import { loadHttps } from "../../lib/lazy-https.ts";
import { Agent as HttpAgent, request as requestHttp } from "../../lib/node-http.ts";
import type { VaultSecret } from "../../schema/secret.ts";
import { lookupEnv } from "./env.ts";
import { isReference, parseReference } from "../../store/secret-references.ts";
import { readAtMost } from "../../lib/read-at-most.ts";

/** The resource `secrets/vault/<id>`, with the field beyond the schema that is heeded. */
export interface VaultManager extends VaultSecret {
  /** `false`: the certificate is not checked. */
  readonly ssl_verify?: unknown;
}

/** What lies at a path of Vault. */
export type VaultAnswer =
  | { readonly fields: unknown }
  | {
      readonly error: string;
      /** Vault said that there is nothing; otherwise it may well be there. */
      readonly gone: boolean;
    };

/** Reads secrets from HashiCorp Vault's key/value engine; owns its connections. */
export interface VaultClient {
  /** Never rejects; ends within the time limit. Reasons hold neither the token nor anything that Vault sent. */
  read(manager: VaultManager, path: readonly string[]): Promise<VaultAnswer>;
  close(): void;
}

/** What a client is made with. */
export interface VaultOptions {
  /** Where tokens of the form `$env://NAME` are looked up. */
  readonly env: NodeJS.ProcessEnv;
  /** Milliseconds for one read, connecting included. */
  readonly timeoutMs: number;
  /** PEM certificates to trust; asked for once, with the first manager that speaks TLS. */
  readonly ca: () => string[];
}

/** Bytes of an answer; a secret in Vault has 1 MiB at most by default. */
const MAX_ANSWER = 2 * 1024 * 1024;

/** Makes a client; the caller closes it. */
export function createVaultClient({ env, timeoutMs, ca }: VaultOptions): VaultClient {
  const settings = { keepAlive: true, maxSockets: 16 };
  const http = new HttpAgent(settings);
  let checking: HttpsAgent | null = null;
  let trusting: HttpsAgent | null = null;
  const agentFor = (check: boolean): HttpsAgent => {
    const { Agent } = loadHttps();
    if (check) return (checking ??= new Agent({ ...settings, ca: ca() }));
    return (trusting ??= new Agent({ ...settings, rejectUnauthorized: false }));
  };
  return {
    read(manager, path) {
      const { url, headers, error } = describeRequest(manager, path, env);
      if (url === null) return Promise.resolve({ error, gone: false });
      const send = (): ClientRequest =>
        url.protocol === "http:"
          ? requestHttp(url, { headers, agent: http })
          : loadHttps().request(url, { headers, agent: agentFor(manager.ssl_verify !== false) });
      return readWithin(timeoutMs, send);
    },
    close() {
      for (const agent of [http, checking, trusting]) agent?.destroy();
    },
  };
}

/** Sends a request and reads its answer; `timeoutMs` is for both. */
function readWithin(timeoutMs: number, send: () => ClientRequest): Promise<VaultAnswer> {
  return new Promise((resolve) => {
    let current: ClientRequest | null = null;
    let settled = false;
    const settle = (answer: VaultAnswer): void => {
      settled = true;
      clearTimeout(timer);
      resolve(answer);
    };
    const fail = (error: string): void => settle({ error, gone: false });
    const timer = setTimeout(() => {
      fail(`no answer within ${timeoutMs / 1000} s`);
      current?.destroy();
    }, timeoutMs);
    const attempt = (): void => {
      let sent: ClientRequest;
      try {
        sent = send();
      } catch (thrown) {
        return fail(`it cannot be asked: ${codeOf(thrown)}`);
      }
      current = sent;
      sent.on("error", (thrown) => {
        // A connection that was idle may be closed just as it is used again.
        if (sent.reusedSocket && !settled && codeOf(thrown) === "ECONNRESET") attempt();
        else fail(`it cannot be reached: ${codeOf(thrown)}`);
      });
      sent.on("response", (response) => void readAnswer(response).then(settle));
      sent.end();
    };
    attempt();
  });
}

type Described =
  | { readonly url: URL; readonly headers: Readonly<Record<string, string>>; readonly error: null }
  | { readonly url: null; readonly headers: null; readonly error: string };

function describeRequest(manager: VaultManager, path: readonly string[], env: NodeJS.ProcessEnv): Described {
  const fail = (error: string): Described => ({ url: null, headers: null, error });
  if (!URL.canParse(manager.uri)) return fail("its uri is no URL");
  const base = new URL(manager.uri);
  if (base.protocol !== "http:" && base.protocol !== "https:")
    return fail("its uri must begin with http:// or https://");
  const prefix = partsOf(manager.prefix);
  if (prefix.includes(".") || prefix.includes("..")) return fail("its prefix has a part . or ..");
  if (!manager.prefix.isWellFormed()) return fail("its prefix is no text of Unicode");
  const token = tokenOf(manager.token, env);
  if ("error" in token) return fail(token.error);
  // Encoded part by part: nothing in a reference can become a slash or a query.
  const parts = [...partsOf(base.pathname), "v1", ...[...prefix, ...path].map(encodeURIComponent)];
  const url = new URL(`/${parts.join("/")}`, base.origin);
  // Some proxies of Vault ask for the second one.
  const headers: Record<string, string> = { "X-Vault-Token": token.value, "X-Vault-Request": "true" };
  if (manager.namespace !== undefined) headers["X-Vault-Namespace"] = manager.namespace;
  return { url, headers, error: null };
}

const partsOf = (path: string): readonly string[] => path.split("/").filter((part) => part !== "");

/** A token may stand in the environment, but not in a secret manager. */
function tokenOf(token: string, env: NodeJS.ProcessEnv): { readonly value: string } | { readonly error: string } {
  if (!isReference(token)) return { value: token };
  const parsed = parseReference(token);
  if ("error" in parsed) return { error: `its token is a reference that cannot be read: ${parsed.error}` };
  if (parsed.source !== "env") return { error: "its token may refer to $env:// only" };
  const answer = lookupEnv(env, parsed.name, parsed.key);
  return "error" in answer ? { error: `its token is not known: ${answer.error}` } : answer;
}

async function readAnswer(response: IncomingMessage): Promise<VaultAnswer> {
  const { statusCode: status = 0 } = response;
  if (status !== 200) {
    response.destroy();
    const why = statuses[status];
    return { error: `it answered ${status}${why === undefined ? "" : `: ${why}`}`, gone: status === 404 };
  }
  let body: Buffer | null;
  try {
    body = await readAtMost(response, MAX_ANSWER);
  } catch (thrown) {
    return { error: `its answer broke off: ${codeOf(thrown)}`, gone: false };
  }
  return body === null ? { error: "its answer is too large", gone: false } : fieldsOf(body.toString());
}

/** What Vault means by a status. */
const statuses: Readonly<Record<number, string>> = {
  400: "it does not understand the path or its namespace",
  403: "the token is wrong or may not read this path",
  404: "there is nothing at this path",
  429: "too many requests, or a standby node",
  472: "a standby node of a recovery cluster",
  473: "a performance standby node",
  503: "sealed or in maintenance",
};

/** Version 1 of the engine has the fields in `data`; version 2 in `data.data`, beside `data.metadata`. */
function fieldsOf(text: string): VaultAnswer {
  let answer: unknown;
  try {
    answer = JSON.parse(text);
  } catch {
    return { error: "its answer is no JSON", gone: false };
  }
  const { data } = (answer ?? {}) as { readonly data?: unknown };
  if (!isObject(data)) return { error: "its answer has no data", gone: false };
  const isVersion2 = isObject(data.data) && isObject(data.metadata) && "version" in data.metadata;
  return { fields: isVersion2 ? data.data : data };
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** The code of a system or TLS error; messages may quote what was sent. */
function codeOf(thrown: unknown): string {
  const { code } = thrown as { readonly code?: unknown };
  return typeof code === "string" ? code : "unknown error";
}
