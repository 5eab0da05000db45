import { createRequire } from "node:module";
import type { Asked, Message, Reading } from "./message.ts";

/**
 * llhttp, the parser of Node.js, as undici ships it (WebAssembly), with every leniency
 * off: the reader that ours is compared with.
 */

/** The part of WebAssembly that is used; the type declarations of Node.js leave it out. */
declare const WebAssembly: {
  Module: new (bytes: Uint8Array) => object;
  Instance: new (module: object, imports: Record<string, Record<string, unknown>>) => { readonly exports: object };
};

interface Exports {
  readonly memory: { readonly buffer: ArrayBuffer };
  _initialize(): void;
  llhttp_alloc(type: number): number;
  llhttp_free(parser: number): void;
  malloc(size: number): number;
  free(at: number): void;
  llhttp_execute(parser: number, at: number, length: number): number;
  llhttp_finish(parser: number): number;
  llhttp_get_error_reason(parser: number): number;
  llhttp_get_error_pos(parser: number): number;
  llhttp_get_http_minor(parser: number): number;
  llhttp_get_http_major(parser: number): number;
  llhttp_get_method(parser: number): number;
  llhttp_get_status_code(parser: number): number;
  llhttp_get_upgrade(parser: number): number;
  llhttp_should_keep_alive(parser: number): number;
  llhttp_resume_after_upgrade(parser: number): void;
}

const TYPE = { request: 1, response: 2 } as const;
const PAUSED_UPGRADE = 22;
/** Answers of `on_headers_complete`: the body is read, or there is none. */
const READ_BODY = 0;
const NO_BODY = 1;

const require = createRequire(import.meta.url);
const { METHODS } = require("undici/lib/llhttp/constants.js") as { METHODS: Record<string, number> };
const methodNames = new Map(Object.entries(METHODS).map(([name, code]) => [code, name]));

/** A message while its parts arrive. */
interface Draft {
  target: string;
  status: number;
  minor: number;
  method: string;
  cells: string[];
  headEnded: boolean;
  headCells: number;
  body: string;
  lastWas: "name" | "value" | "";
}

let draft: Draft | null = null;
let parser = 0;
let isResponse = false;
let asked: readonly Asked[] = [];
let messages: Message[] = [];
/** Interim responses so far: they answer nothing. */
let finals = 0;

const llhttp = instantiate();

function instantiate(): Exports {
  const bytes = require("undici/lib/llhttp/llhttp-wasm.js") as Uint8Array;
  const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes), {
    env: {
      wasm_on_message_begin: () => {
        draft = {
          target: "",
          status: 0,
          minor: 1,
          method: "",
          cells: [],
          headEnded: false,
          headCells: 0,
          body: "",
          lastWas: "",
        };
        return 0;
      },
      wasm_on_url: (_: number, at: number, length: number) => {
        draft!.target += textAt(at, length);
        return 0;
      },
      wasm_on_status: () => 0,
      wasm_on_header_field: (_: number, at: number, length: number) => cell("name", at, length),
      wasm_on_header_value: (_: number, at: number, length: number) => cell("value", at, length),
      wasm_on_headers_complete: () => headersComplete(),
      wasm_on_body: (_: number, at: number, length: number) => {
        draft!.body += textAt(at, length);
        return 0;
      },
      wasm_on_message_complete: () => messageComplete(),
    },
  });
  const exports = instance.exports as Exports;
  exports._initialize();
  return exports;
}

function textAt(at: number, length: number): string {
  return Buffer.from(llhttp.memory.buffer, at, length).toString("latin1");
}

/** Names and values come in spans that may be parts; cells alternate between the two. */
function cell(kind: "name" | "value", at: number, length: number): number {
  const { cells } = draft!;
  const text = textAt(at, length);
  if (draft!.lastWas === kind) cells[cells.length - 1] += text;
  else {
    // A value that is empty may be left out.
    if (kind === "name" && cells.length % 2 === 1) cells.push("");
    cells.push(text);
  }
  draft!.lastWas = kind;
  return 0;
}

function headersComplete(): number {
  const now = draft!;
  now.headEnded = true;
  if (now.cells.length % 2 === 1) now.cells.push("");
  now.headCells = now.cells.length;
  now.lastWas = "";
  now.minor = llhttp.llhttp_get_http_minor(parser);
  now.status = isResponse ? llhttp.llhttp_get_status_code(parser) : 0;
  now.method = isResponse ? "" : (methodNames.get(llhttp.llhttp_get_method(parser)) ?? "?");
  if (!isResponse) return READ_BODY;
  return now.status >= 200 && asked[finals]?.toHead === true ? NO_BODY : READ_BODY;
}

function messageComplete(): number {
  const now = draft!;
  draft = null;
  if (now.cells.length % 2 === 1) now.cells.push("");
  if (now.status >= 200) finals++;
  messages.push({
    method: now.method,
    target: now.target,
    status: now.status,
    minor: now.minor,
    fields: pairs(now.cells.slice(0, now.headCells)),
    body: now.body,
    trailers: pairs(now.cells.slice(now.headCells)),
    keepAlive: llhttp.llhttp_should_keep_alive(parser) === 1,
  });
  return 0;
}

function pairs(cells: readonly string[]): [string, string][] {
  const list: [string, string][] = [];
  for (let i = 0; i < cells.length; i += 2) list.push([cells[i]!, trimmed(cells[i + 1]!)]);
  return list;
}

/** llhttp leaves blanks at the end of a value to its caller. */
function trimmed(value: string): string {
  return value.replace(/[ \t]+$/, "");
}

/** What llhttp makes of requests. */
export function readRequests(text: string): Reading {
  return read(TYPE.request, text, [], false);
}

/** What llhttp makes of responses to the requests; `ended`: the connection ends after these bytes. */
export function readResponses(text: string, requests: readonly Asked[], ended: boolean): Reading {
  return read(TYPE.response, text, requests, ended);
}

function read(type: number, text: string, requests: readonly Asked[], ended: boolean): Reading {
  isResponse = type === TYPE.response;
  asked = requests;
  messages = [];
  finals = 0;
  draft = null;
  parser = llhttp.llhttp_alloc(type);
  const bytes = Buffer.from(text, "latin1");
  const at = llhttp.malloc(Math.max(1, bytes.length));
  Buffer.from(llhttp.memory.buffer).set(bytes, at);
  let refused: string | null = null;
  let from = at;
  let code = llhttp.llhttp_execute(parser, from, bytes.length);
  // An upgrade that nobody granted: what follows is HTTP.
  while (code === PAUSED_UPGRADE && !isResponse) {
    from = llhttp.llhttp_get_error_pos(parser);
    llhttp.llhttp_resume_after_upgrade(parser);
    code = llhttp.llhttp_execute(parser, from, at + bytes.length - from);
  }
  if (code === 0 && ended) code = llhttp.llhttp_finish(parser);
  if (code !== 0) refused = reason(code);
  llhttp.free(at);
  llhttp.llhttp_free(parser);
  return { messages, refused, partial: draft !== null };
}

function reason(code: number): string {
  const at = llhttp.llhttp_get_error_reason(parser);
  if (at === 0) return `error ${code}`;
  const bytes = Buffer.from(llhttp.memory.buffer, at, 200);
  return bytes.toString("latin1", 0, bytes.indexOf(0));
}
