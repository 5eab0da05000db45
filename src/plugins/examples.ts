/**
 * Examples of a plugin. They stand in `NAME.examples.ts` beside it, are printed on its page
 * (`node scripts/plugin-docs.ts`) and run as printed by `test/plugin-examples.test.ts`.
 *
 * Nodes are `127.0.0.1:8080` and `127.0.0.1:8081`; both answer with what they received, as
 * httpbin's `/anything` does, and `/status/CODE` with that status.
 */
export interface PluginExamples {
  readonly examples: readonly [Example, ...Example[]];
  readonly refused: readonly [Refusal, ...Refusal[]];
}

/** Resources, and what requests get then. */
export interface Example {
  readonly title: string;
  /** What it is for: a sentence or two of Markdown. */
  readonly text: string;
  /** By path below `/apisix/admin`, written in this order. */
  readonly resources: Readonly<Record<string, object>>;
  /** In this order. */
  readonly calls: readonly Call[];
}

/** A request with curl, and what comes back. `…` in an expected text stands for any text. */
export type Call = (Request | Script) & Outcome;

/** One request. */
export interface Request {
  readonly path: string;
  readonly method?: string;
  /** `Name: value`. */
  readonly headers?: readonly string[];
  readonly body?: string;
  /** More words for curl. */
  readonly options?: readonly string[];
}

/** What a single request cannot show. The last command is a curl with `-i`. */
export interface Script {
  readonly script: string;
}

export interface Outcome {
  /** Printed before the command. */
  readonly note?: string;
  /** The same so often in a row, with the same outcome. */
  readonly times?: number;
  readonly status: number;
  /** Headers of the answer; `null`: it is not there. */
  readonly answerHeaders?: Readonly<Record<string, string | null>>;
  readonly answer?: string;
  /** What reaches the node; `null`: nothing does. */
  readonly node?: NodeGets | null;
}

export interface NodeGets {
  /** Method and target, such as `GET /anything/a`. */
  readonly request?: string;
  readonly headers?: Readonly<Record<string, string | null>>;
  readonly body?: string;
  /** Which one: the port. */
  readonly port?: 8080 | 8081;
}

/** A configuration that the Admin API refuses with 400. */
export interface Refusal {
  /** `routes` unless given: where the plugin stands. */
  readonly on?: "routes" | "consumers" | "plugin_metadata";
  readonly conf: object;
  /** The field at fault, which the message names. */
  readonly field: string;
  /** A part of the message. */
  readonly says: string;
}

export function defineExamples(examples: PluginExamples): PluginExamples {
  return examples;
}

/** An upstream of the node that all examples have. */
export const toNode = { type: "roundrobin", nodes: { "127.0.0.1:8080": 1 } } as const;

/** A route with these plugins to that node. */
export function routeWith(plugins: object, uri = "/anything/*"): object {
  return { uri, plugins, upstream: toNode };
}

/** The command of a call, as a shell takes it. */
export function commandOf(call: Call): string {
  if ("script" in call) return call.script;
  const { method, path, headers = [], body, options = [] } = call;
  const words = ["curl", "-i"];
  if (method === "HEAD") words.push("-I");
  else if (method !== undefined && !(method === "POST" && body !== undefined)) words.push("-X", method);
  words.push(...options, `http://127.0.0.1:9080${path}`, ...headers.flatMap((header) => ["-H", header]));
  if (body !== undefined) words.push("-d", body);
  return words.map(quoted).join(" ");
}

/** A word for a POSIX shell. */
function quoted(word: string): string {
  return /^[\w./:=@%+,-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
