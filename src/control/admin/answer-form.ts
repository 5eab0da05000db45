import type { AdminAnswer } from "./exchange.ts";

/** A resource as answers show it. */
export interface ShownResource {
  /** With the prefix: `/apisix/routes/1`. */
  readonly key: string;
  readonly value: unknown;
  readonly createdIndex: number;
  readonly modifiedIndex: number;
}

/** How a write came about. */
export type WriteAction = "set" | "create" | "compareAndSwap";

/** The two forms of answers, `admin_api_version`. */
export interface AnswerForm {
  one(resource: ShownResource): object;
  /** `key` is that of the collection; `total` counts what `resources` is a page of. */
  many(key: string, resources: readonly ShownResource[], total: number): object;
  written(action: WriteAction, key: string, value: unknown, ttl: number | undefined): object;
  deleted(key: string): object;
}

const v3: AnswerForm = {
  one: ({ key, value, createdIndex, modifiedIndex }) => ({ key, value, createdIndex, modifiedIndex }),
  many: (_key, list, total) => ({ total, list }),
  written: (_action, key, value) => ({ key, value }),
  deleted: (key) => ({ key, deleted: "1" }),
};

const v2: AnswerForm = {
  one: ({ key, value }) => ({ action: "get", node: { key, value } }),
  many(key, nodes) {
    // A list below a single key shows the value of that key's first one, too.
    const value = key.endsWith("/credentials") ? { value: nodes[0]?.value } : {};
    return { action: "get", node: { key, dir: true, nodes, ...value } };
  },
  written(action, key, value, ttl) {
    // APISIX shows the lease of etcd here; a store need not have any.
    return { action, node: { key, value }, ...(ttl === undefined ? {} : { lease_id: "0" }) };
  },
  deleted: (key) => ({ action: "delete", key, node: {}, deleted: "1" }),
};

/** The form of answers of that version. */
export const answerForm = (version: "v3" | "v2"): AnswerForm => (version === "v2" ? v2 : v3);

/** Marks an answer as one about resources or schemas. */
export function versioned(answer: AdminAnswer, version: "v3" | "v2"): AdminAnswer {
  return { ...answer, headers: { ...answer.headers, "X-API-VERSION": version } };
}
