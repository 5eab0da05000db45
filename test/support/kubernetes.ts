import { createServer, type RequestListener, type ServerResponse } from "node:http";
import { createServer as createSecureServer } from "node:https";
import type { AddressInfo } from "node:net";
import type { TestContext } from "node:test";
import { certificate, privateKey } from "./certificate.ts";

/** An object of the kind Endpoints as the API server sends it; one more address is never ready. */
export function endpoints(
  name: string,
  ips: readonly string[],
  port: object = { name: "http", port: 80 },
  version = "10",
): object {
  return {
    metadata: { name, namespace: "default", resourceVersion: version },
    subsets: [{ addresses: ips.map((ip) => ({ ip })), notReadyAddresses: [{ ip: "10.9.9.9" }], ports: [port] }],
  };
}

/** An EndpointSlice of a service; of its endpoints one is not ready, and one says nothing of it. */
export function slice(
  service: string,
  name: string,
  ips: readonly string[],
  port: object = { name: "http", port: 80, protocol: "TCP" },
  version = "10",
): object {
  return {
    metadata: {
      name,
      namespace: "default",
      resourceVersion: version,
      labels: { "kubernetes.io/service-name": service },
    },
    addressType: "IPv4",
    endpoints: [
      ...ips.map((ip, i) => ({ addresses: [ip], conditions: i === 0 ? {} : { ready: true, serving: true } })),
      { addresses: ["10.9.9.9"], conditions: { ready: false, serving: true, terminating: true } },
    ],
    ports: [port],
  };
}

/** A stand-in of the API server of Kubernetes: lists endpoints in two pages, and keeps watches open. */
export interface StandInKubernetes {
  readonly port: number;
  /** What a list answers, at the version 5. */
  items: object[];
  /** 500 for every list. */
  fails: boolean;
  /** The token and the target of every request. */
  readonly asked: string[];
  /** Sends an event to the watch that is open, in two pieces. */
  event(type: string, object: object): void;
  /** Resolves once a watch is open. */
  watched(): Promise<void>;
  endWatch(): void;
}

/** With `secure` over TLS, with the certificate of the tests. */
export async function startKubernetes(t: TestContext, secure = false): Promise<StandInKubernetes> {
  let open: ServerResponse | null = null;
  let waiting: (() => void)[] = [];
  const answer: RequestListener = (request, response) => {
    const url = new URL(request.url ?? "", "http://api");
    api.asked.push(`${request.headers.authorization} ${url.pathname}${url.search}`);
    if (url.searchParams.get("watch") === "true") {
      open = response;
      response.on("close", () => (open = null));
      response.flushHeaders();
      for (const resolve of waiting) resolve();
      waiting = [];
    } else if (api.fails) response.writeHead(500).end();
    else if (url.searchParams.get("continue") === null && api.items.length > 1) {
      const metadata = { resourceVersion: "5", continue: "more" };
      response.end(JSON.stringify({ items: api.items.slice(0, 1), metadata }));
    } else {
      const rest = url.searchParams.get("continue") === null ? api.items : api.items.slice(1);
      response.end(JSON.stringify({ items: rest, metadata: { resourceVersion: "5" } }));
    }
  };
  const server = secure ? createSecureServer({ cert: certificate, key: privateKey }, answer) : createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const api: StandInKubernetes = {
    port: (server.address() as AddressInfo).port,
    items: [],
    fails: false,
    asked: [],
    event(type, object) {
      const line = `${JSON.stringify({ type, object })}\n`;
      open?.write(line.slice(0, 9));
      open?.write(line.slice(9));
    },
    watched: () => new Promise((resolve) => (open === null ? waiting.push(resolve) : resolve())),
    endWatch: () => open?.end(),
  };
  return api;
}
