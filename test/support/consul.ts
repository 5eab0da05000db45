import { createServer, type RequestListener, type ServerResponse } from "node:http";
import { createServer as createSecureServer } from "node:https";
import type { AddressInfo } from "node:net";
import type { TestContext } from "node:test";
import { certificate, privateKey } from "./certificate.ts";

/** An instance of the service `shop` as Consul shows it; without an address its node's counts. */
export function instance(address: string, port: number, weights?: object): object {
  return {
    Node: { Node: "n1", Address: "10.0.0.9" },
    Service: { ID: "x", Service: "shop", Address: address, Port: port, Weights: weights },
    Checks: [{ Status: "passing" }],
  };
}

/** A stand-in of Consul: it holds back the answer to whoever names the index that it is at. */
export class StandInConsul {
  readonly url: string;
  /** The target and the token of every request. */
  readonly asked: string[] = [];
  status = 200;
  /** No question is answered. */
  silent = false;
  /** The catalogue is all there is. */
  catalogOnly = false;
  /** What is answered. */
  text = "[]";
  /** 0: none is told, so nothing can be held back. */
  index = 0;
  /** Answers that are held back now. */
  readonly held = new Set<ServerResponse>();
  #waiting: (() => void)[] = [];

  constructor(url: string) {
    this.url = url;
  }

  take(path: string, token: string, response: ServerResponse): void {
    this.asked.push(`${path} ${token}`);
    const after = new URL(path, this.url).searchParams.get("index");
    if (this.silent || (after !== null && Number(after) === this.index)) {
      this.held.add(response);
      response.once("close", () => this.held.delete(response));
    } else this.#answer(response);
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  /** Other instances, or another text, at an index: what was held back is answered. */
  now(instances: readonly object[] | string, index: number): void {
    this.text = typeof instances === "string" ? instances : JSON.stringify(instances);
    this.index = index;
    for (const response of this.held) this.#answer(response);
  }

  /** Resolves once so many questions were asked. */
  async wasAsked(times: number): Promise<void> {
    while (this.asked.length < times) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  #answer(response: ServerResponse): void {
    const headers = this.index === 0 ? {} : { "X-Consul-Index": this.index };
    const missing = this.catalogOnly && response.req.url?.startsWith("/v1/catalog/") !== true;
    response.writeHead(missing ? 404 : this.status, headers).end(this.text);
  }
}

/** With `secure` over TLS, with the certificate of the tests. */
export async function startConsul(
  t: TestContext,
  instances: readonly object[] = [],
  index = 0,
  secure = false,
): Promise<StandInConsul> {
  const answer: RequestListener = (request, response) =>
    consul.take(request.url ?? "", String(request.headers["x-consul-token"]), response);
  const server = secure ? createSecureServer({ cert: certificate, key: privateKey }, answer) : createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const consul = new StandInConsul(
    `${secure ? "https" : "http"}://127.0.0.1:${(server.address() as AddressInfo).port}`,
  );
  consul.now(instances, index);
  return consul;
}
