import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import type { TestContext } from "node:test";
import { certificate, privateKey } from "./certificate.ts";

/** What a stand-in Vault was asked. */
export interface VaultRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage["headers"];
}

/**
 * A stand-in for HashiCorp Vault: key/value engines of versions 1 and 2 over HTTP,
 * with tokens and namespaces, and failures on request.
 */
export interface VaultServer {
  readonly uri: string;
  readonly port: number;
  /** Everything it was asked so far. */
  readonly requests: readonly VaultRequest[];
  /** Requests that are being answered at the moment, and the most there ever were. */
  readonly open: () => { readonly now: number; readonly most: number };
  /** Sets the fields at a path of an engine of version 1, as in `kv/apisix/jack`. */
  write(path: string, fields: Readonly<Record<string, unknown>>): void;
  /** Sets the fields at a path of an engine of version 2; it is read at `<mount>/data/<path>`. */
  writeVersion2(mount: string, path: string, fields: Readonly<Record<string, unknown>>): void;
  /** Deletes; version 2 keeps saying that there was something. */
  remove(path: string): void;
  /** Answers everything this way until `null` is given. */
  behave(behaviour: ((response: ServerResponse, request: IncomingMessage) => void) | null): void;
}

/** How a stand-in is set up. */
export interface VaultSetup {
  readonly token?: string;
  /** Where it is set, other namespaces have nothing. */
  readonly namespace?: string;
  /** Speaks TLS, with the certificate of `certificate.ts`. */
  readonly tls?: boolean;
}

/** Starts a stand-in on a port of its own. */
export async function startVault(
  t: TestContext,
  { token = "root", namespace, tls = false }: VaultSetup = {},
): Promise<VaultServer> {
  const secrets = new Map<string, unknown>();
  const requests: VaultRequest[] = [];
  let behaviour: ((response: ServerResponse, request: IncomingMessage) => void) | null = null;
  let now = 0;
  let most = 0;
  const versions = new Map<string, number>();

  const handle = (request: IncomingMessage, response: ServerResponse): void => {
    const { method = "", url = "", headers } = request;
    requests.push({ method, url, headers });
    now++;
    most = Math.max(most, now);
    response.once("close", () => now--);
    if (behaviour !== null) return behaviour(response, request);
    const answer = (status: number, body: unknown): void => {
      response.writeHead(status, { "Content-Type": "application/json", "Cache-Control": "no-store" });
      response.end(`${JSON.stringify(body)}\n`);
    };
    if (headers["x-vault-token"] !== token) {
      return answer(403, { errors: ["permission denied"] });
    }
    const path = decodeURIComponent(url.replace(/^\/v1\//, ""));
    if (headers["x-vault-namespace"] !== namespace || !url.startsWith("/v1/")) return answer(404, { errors: [] });
    const data = secrets.get(path);
    if (data === undefined) return answer(404, { errors: [] });
    const deleted = (data as { readonly data?: unknown }).data === null;
    return answer(deleted ? 404 : 200, {
      request_id: "8a3c1b52-0000-0000-0000-000000000000",
      lease_id: "",
      renewable: false,
      lease_duration: 2764800,
      data,
      wrap_info: null,
      warnings: null,
      auth: null,
    });
  };
  const server = tls ? createTlsServer({ cert: certificate, key: privateKey }, handle) : createServer(handle);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return {
    uri: `http${tls ? "s" : ""}://127.0.0.1:${port}`,
    port,
    requests,
    open: () => ({ now, most }),
    write: (path, fields) => void secrets.set(path, fields),
    writeVersion2(mount, path, fields) {
      const at = `${mount}/data/${path}`;
      const version = (versions.get(at) ?? 0) + 1;
      versions.set(at, version);
      const metadata = {
        created_time: "2026-01-01T00:00:00Z",
        custom_metadata: null,
        deletion_time: "",
        destroyed: false,
      };
      secrets.set(at, { data: fields, metadata: { ...metadata, version } });
    },
    remove(path) {
      const version = versions.get(path);
      if (version === undefined) secrets.delete(path);
      else
        secrets.set(path, {
          data: null,
          metadata: { deletion_time: "2026-01-02T00:00:00Z", destroyed: false, version },
        });
    },
    behave(given) {
      behaviour = given;
    },
  };
}
