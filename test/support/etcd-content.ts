import assert from "node:assert/strict";
import { resourceCheckFor } from "../../src/control/resource-check.ts";
import { formatHash } from "../../src/lib/content-hash.ts";
import { loadSettings } from "../../src/settings/load.ts";
import { Store } from "../../src/store/store.ts";
import type { Etcd } from "./etcd.ts";
import type { Gateway } from "./gateway.ts";

/** What etcd holds below `/apisix/`, as etcdctl reads it: texts by key without the prefix. */
export async function contentOf(etcd: Etcd): Promise<{ revision: number; texts: Map<string, string> }> {
  const answer = JSON.parse(await etcd.ctl("get", "/apisix/", "--prefix", "-w", "json")) as {
    header: { revision: number };
    kvs?: readonly { key: string; value: string }[];
  };
  const decode = (text: string): string => Buffer.from(text, "base64").toString();
  const entries = (answer.kvs ?? []).map(({ key, value }) => [decode(key).slice("/apisix/".length), decode(value)]) as [
    string,
    string,
  ][];
  return { revision: answer.header.revision, texts: new Map(entries.sort()) };
}

/** Every worker of the gateway serves exactly what etcd holds now, judged by a store of our own. */
export async function assertServes(gateway: Gateway, etcd: Etcd): Promise<void> {
  const { revision, texts } = await contentOf(etcd);
  const reached = await gateway.status(`/status/ready?revision=${revision}&timeout=90s&rejected=ignore`);
  assert.equal(reached.status, 200, reached.text);
  const { settings } = loadSettings({ prefix: gateway.prefix });
  const store = new Store({ ...resourceCheckFor(settings), revision: 0, inherited: [] });
  const { hash } = store.applySnapshot(
    { revision, entries: Array.from(texts, ([key, text]) => ({ key, text })) },
    Date.now(),
  );
  const { workers } = (await gateway.status("/status/workers")).json() as { workers: { id: number; hash: string }[] };
  assert.deepEqual(
    workers.map((worker) => worker.hash),
    workers.map(() => formatHash(hash)),
  );
}
