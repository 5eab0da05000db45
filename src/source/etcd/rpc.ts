import { defineMessage, type MessageType } from "./protobuf.ts";

/** The messages of etcd's gRPC API (v3) that are used; names and numbers as in its rpc.proto and kv.proto. */

interface Header {
  readonly clusterId: bigint;
  readonly revision: number;
}

const header = defineMessage<Header>({ clusterId: [1, "long"], revision: [3, "int"] });

/** A key as stored; `bytes` point into the message that brought them. */
export interface KeyValue {
  readonly key: Buffer;
  readonly createRevision: number;
  readonly modRevision: number;
  readonly version: number;
  readonly value: Buffer;
}

const keyValue = defineMessage<KeyValue>({
  key: [1, "bytes"],
  createRevision: [2, "int"],
  modRevision: [3, "int"],
  version: [4, "int"],
  value: [5, "bytes"],
});

export interface RangeRequest {
  readonly key: Buffer;
  /** Exclusive; empty: the single key. */
  readonly rangeEnd: Buffer;
  /** 0: no limit. */
  readonly limit: number;
  /** 0: the newest. */
  readonly revision: number;
  readonly sortOrder: number;
  readonly sortTarget: number;
  readonly keysOnly: boolean;
}

/** Values of `RangeRequest.sortOrder` and `sortTarget`. */
export const SORT_DESCENDING = 2;
export const SORT_BY_MOD_REVISION = 3;

export interface RangeResponse {
  readonly header: Header | null;
  readonly kvs: readonly KeyValue[];
  readonly more: boolean;
  /** Keys in the range, whatever the limit. */
  readonly count: number;
}

const rangeRequest = defineMessage<RangeRequest>({
  key: [1, "bytes"],
  rangeEnd: [2, "bytes"],
  limit: [3, "int"],
  revision: [4, "int"],
  sortOrder: [5, "int"],
  sortTarget: [6, "int"],
  keysOnly: [8, "bool"],
});
const rangeResponse = defineMessage<RangeResponse>({
  header: [1, header],
  kvs: [2, keyValue, "repeated"],
  more: [3, "bool"],
  count: [4, "int"],
});

interface PutRequest {
  readonly key: Buffer;
  readonly value: Buffer;
  readonly lease: bigint;
  readonly prevKv: boolean;
}

interface DeleteRequest {
  readonly key: Buffer;
  readonly prevKv: boolean;
}

/** One operation of a transaction: exactly one of the fields. */
export interface RequestOp {
  readonly range: Partial<RangeRequest> | null;
  readonly put: Partial<PutRequest> | null;
  readonly delete: Partial<DeleteRequest> | null;
}

interface Compare {
  /** 0: equal. */
  readonly result: number;
  /** 2: the key's modification revision. */
  readonly target: number;
  readonly key: Buffer;
  readonly modRevision: number;
}

export const COMPARE_MOD_REVISION = 2;

export interface TxnRequest {
  readonly compare: readonly Partial<Compare>[];
  readonly success: readonly Partial<RequestOp>[];
  readonly failure: readonly Partial<RequestOp>[];
}

interface ResponseOp {
  readonly range: RangeResponse | null;
  readonly put: { readonly prevKv: KeyValue | null } | null;
  readonly delete: { readonly prevKvs: readonly KeyValue[] } | null;
}

export interface TxnResponse {
  readonly header: Header | null;
  readonly succeeded: boolean;
  readonly responses: readonly ResponseOp[];
}

const txnRequest = defineMessage<TxnRequest>({
  compare: [
    1,
    defineMessage<Compare>({ result: [1, "int"], target: [2, "int"], key: [3, "bytes"], modRevision: [6, "int"] }),
    "repeated",
  ],
  success: [2, requestOp(), "repeated"],
  failure: [3, requestOp(), "repeated"],
});

function requestOp(): MessageType<object> {
  return defineMessage<RequestOp>({
    range: [1, rangeRequest],
    put: [
      2,
      defineMessage<PutRequest>({ key: [1, "bytes"], value: [2, "bytes"], lease: [3, "long"], prevKv: [4, "bool"] }),
    ],
    delete: [3, defineMessage<DeleteRequest>({ key: [1, "bytes"], prevKv: [3, "bool"] })],
  });
}

const txnResponse = defineMessage<TxnResponse>({
  header: [1, header],
  succeeded: [2, "bool"],
  responses: [
    3,
    defineMessage<ResponseOp>({
      range: [1, rangeResponse],
      put: [2, defineMessage<{ readonly prevKv: KeyValue | null }>({ prevKv: [2, keyValue] })],
      delete: [3, defineMessage<{ readonly prevKvs: readonly KeyValue[] }>({ prevKvs: [3, keyValue, "repeated"] })],
    }),
    "repeated",
  ],
});

interface WatchCreate {
  readonly key: Buffer;
  readonly rangeEnd: Buffer;
  readonly startRevision: number;
  readonly progressNotify: boolean;
}

/** Exactly one of the fields. */
export interface WatchRequest {
  readonly create: Partial<WatchCreate> | null;
  readonly progress: object | null;
}

export interface WatchEvent {
  /** 0: put, 1: delete. */
  readonly type: number;
  readonly kv: KeyValue | null;
}

export const EVENT_DELETE = 1;

export interface WatchResponse {
  readonly header: Header | null;
  readonly created: boolean;
  readonly canceled: boolean;
  /** Above 0: what was asked for has been compacted up to here. */
  readonly compactRevision: number;
  readonly cancelReason: string;
  readonly events: readonly WatchEvent[];
}

export const watchRequest = defineMessage<WatchRequest>({
  create: [
    1,
    defineMessage<WatchCreate>({
      key: [1, "bytes"],
      rangeEnd: [2, "bytes"],
      startRevision: [3, "int"],
      progressNotify: [4, "bool"],
    }),
  ],
  progress: [3, defineMessage<object>({})],
});
export const watchResponse = defineMessage<WatchResponse>({
  header: [1, header],
  created: [3, "bool"],
  canceled: [4, "bool"],
  compactRevision: [5, "int"],
  cancelReason: [6, "string"],
  events: [11, defineMessage<WatchEvent>({ type: [1, "int"], kv: [2, keyValue] }), "repeated"],
});

/** A call with one request and one answer. */
export interface Method<Request extends object, Response extends object> {
  readonly path: string;
  readonly request: MessageType<Request>;
  readonly response: MessageType<Response>;
  /** Whether it may be sent again where nothing is known of the first attempt. */
  readonly repeatable: boolean;
}

interface LeaseId {
  readonly id: bigint;
}

interface Lease {
  readonly id: bigint;
  /** Seconds. */
  readonly ttl: number;
}

const leaseId = defineMessage<LeaseId>({ id: [1, "long"] });

export const range: Method<RangeRequest, RangeResponse> = {
  path: "/etcdserverpb.KV/Range",
  request: rangeRequest,
  response: rangeResponse,
  repeatable: true,
};

export const txn: Method<TxnRequest, TxnResponse> = {
  path: "/etcdserverpb.KV/Txn",
  request: txnRequest,
  response: txnResponse,
  repeatable: false,
};

interface Credentials {
  readonly name: string;
  readonly password: string;
}

interface Token {
  readonly token: string;
}

/** A transaction that comes to the same when it is done twice. */
export const idempotentTxn: Method<TxnRequest, TxnResponse> = { ...txn, repeatable: true };

export const authenticate: Method<Credentials, Token> = {
  path: "/etcdserverpb.Auth/Authenticate",
  request: defineMessage<Credentials>({ name: [1, "string"], password: [2, "string"] }),
  response: defineMessage<Token>({ token: [2, "string"] }),
  repeatable: true,
};

/** `ttl` in seconds; etcd chooses the id. A lease that is granted twice costs nothing but its time. */
export const leaseGrant: Method<{ readonly ttl: number }, Lease> = {
  path: "/etcdserverpb.Lease/LeaseGrant",
  request: defineMessage<{ readonly ttl: number }>({ ttl: [1, "int"] }),
  response: defineMessage<Lease>({ id: [2, "long"], ttl: [3, "int"] }),
  repeatable: true,
};

export const leaseRevoke: Method<LeaseId, object> = {
  path: "/etcdserverpb.Lease/LeaseRevoke",
  request: leaseId,
  response: defineMessage<object>({}),
  repeatable: true,
};

/** A stream that is used for one request; `ttl` 0: there is no such lease any more. */
export const leaseKeepAlive: Method<LeaseId, Lease> = {
  path: "/etcdserverpb.Lease/LeaseKeepAlive",
  request: leaseId,
  response: defineMessage<Lease>({ id: [2, "long"], ttl: [3, "int"] }),
  repeatable: true,
};

export const WATCH_PATH = "/etcdserverpb.Watch/Watch";
