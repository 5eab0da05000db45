import { createHash } from "node:crypto";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { parse, stringify } from "yaml";
import { type Node, type ParsedFile, type Pipeline, parseTemplate, type Term } from "./parse.ts";

type Value = unknown;
type Mapping = Record<string, Value>;

/** A chart in `directory`, with its templates parsed. */
export function readChart(directory: string): Chart {
  const names = readdirSync(join(directory, "templates"));
  const files = new Map(
    names.map((name) => [name, parseTemplate(name, readFileSync(join(directory, "templates", name), "utf8"))]),
  );
  const read = (name: string): Mapping => parse(readFileSync(join(directory, name), "utf8")) as Mapping;
  return { files, values: read("values.yaml"), meta: read("Chart.yaml") };
}

export interface Chart {
  readonly files: ReadonlyMap<string, ParsedFile>;
  readonly values: Mapping;
  readonly meta: Mapping;
}

/** The objects of a release called `gate`, with `overrides` merged over the chart's values. */
export function renderChart(chart: Chart, overrides: Mapping = {}): Mapping[] {
  return [...renderFiles(chart, overrides)]
    .filter(([name]) => name.endsWith(".yaml"))
    .flatMap(([, text]) => text.split(/^---$/m))
    .map((text) => parse(text) as Mapping | null)
    .filter((object) => object !== null);
}

/** Each file's text. */
export function renderFiles(chart: Chart, overrides: Mapping = {}): Map<string, string> {
  const data = {
    Values: merged(chart.values, overrides),
    Chart: { Name: chart.meta["name"], Version: chart.meta["version"], AppVersion: chart.meta["appVersion"] },
    Release: { Name: "gate", Service: "Helm", Namespace: "default" },
  };
  const defined = new Map([...chart.files.values()].flatMap((file) => [...file.defined]));
  const renderer = new Renderer(defined);
  return new Map([...chart.files].map(([name, { body }]) => [name, renderer.nodes(body, data)]));
}

class Renderer {
  readonly #defined: ReadonlyMap<string, readonly Node[]>;

  constructor(defined: ReadonlyMap<string, readonly Node[]>) {
    this.#defined = defined;
  }

  nodes(nodes: readonly Node[], dot: Value): string {
    return nodes.map((node) => this.#node(node, dot)).join("");
  }

  #node(node: Node, dot: Value): string {
    switch (node.kind) {
      case "text":
        return node.text;
      case "output":
        return shown(this.#pipeline(node.pipeline, dot));
      case "if":
        return this.nodes(holds(this.#pipeline(node.pipeline, dot)) ? node.body : node.else, dot);
      case "range":
        return (this.#pipeline(node.pipeline, dot) as Value[]).map((item) => this.nodes(node.body, item)).join("");
    }
  }

  #pipeline(pipeline: Pipeline, dot: Value): Value {
    let piped: Value[] = [];
    for (const [first, ...rest] of pipeline) {
      if (first === undefined) throw new Error("an empty command");
      const args = [...rest.map((term) => this.#term(term, dot)), ...piped];
      if (first.kind === "name") piped = [this.#call(first.name, args)];
      else if (args.length > 0) throw new Error(`${JSON.stringify(first)} takes no arguments`);
      else piped = [this.#term(first, dot)];
    }
    return piped[0];
  }

  #term(term: Term, dot: Value): Value {
    if (term.kind === "value") return term.value;
    if (term.kind === "pipeline") return this.#pipeline(term.pipeline, dot);
    if (term.kind === "name") return this.#call(term.name, []);
    return term.path.reduce<Value>((value, name) => {
      if (!isMapping(value) || !(name in value)) throw new Error(`.${term.path.join(".")} is not among the values`);
      return value[name];
    }, dot);
  }

  #call(name: string, args: Value[]): Value {
    if (name === "include") {
      const body = this.#defined.get(String(args[0]));
      if (body === undefined) throw new Error(`no template is called ${String(args[0])}`);
      return this.nodes(body, args[1]);
    }
    const call = functions[name];
    if (call === undefined) throw new Error(`no function is called ${name}`);
    return call(...args);
  }
}

const functions: Readonly<Record<string, (...args: Value[]) => Value>> = {
  add: (...numbers) => numbers.map(Number).reduce((sum, one) => sum + one, 0),
  and: (...values) => values.find((value) => !holds(value)) ?? values.at(-1),
  contains: (part, text) => String(text).includes(String(part)),
  default: (otherwise, value) => (holds(value) ? value : otherwise),
  dict: (...pairs) => Object.fromEntries(pairs.flatMap((key, at) => (at % 2 === 0 ? [[key, pairs[at + 1]]] : []))),
  dig: (...args) => {
    const [otherwise, value] = args.slice(-2);
    const found = args.slice(0, -2).reduce<Value>((at, key) => (isMapping(at) ? at[String(key)] : undefined), value);
    return found ?? otherwise;
  },
  eq: (one, other) => one === other,
  fromJson: (text) => JSON.parse(String(text)) as Value,
  int: (value) => Math.trunc(Number(value)),
  mergeOverwrite: (one, other) => merged(one as Mapping, other as Mapping),
  ne: (one, other) => one !== other,
  nindent: (width, text) => `\n${String(text).replaceAll(/^/gm, " ".repeat(Number(width)))}`,
  not: (value) => !holds(value),
  or: (...values) => values.find(holds) ?? values.at(-1),
  printf: (format, ...args) => String(format).replaceAll("%s", () => String(args.shift())),
  quote: (value) => JSON.stringify(shown(value)),
  required: (message, value) => {
    if (!holds(value)) throw new Error(String(message));
    return value;
  },
  sha256sum: (text) => createHash("sha256").update(String(text)).digest("hex"),
  toJson: (value) => JSON.stringify(value),
  toString: (value: Value) => shown(value),
  toYaml: (value) => stringify(value).trimEnd(),
  trimSuffix: (suffix, text) =>
    String(text).endsWith(String(suffix)) ? String(text).slice(0, -String(suffix).length) : text,
  trunc: (length, text) => String(text).slice(0, Number(length)),
};

/** Go's truth: what is empty does not hold. */
function holds(value: Value): boolean {
  if (Array.isArray(value)) return value.length > 0;
  if (isMapping(value)) return Object.keys(value).length > 0;
  return value !== undefined && value !== null && value !== false && value !== 0 && value !== "";
}

/** How Go prints a value; a list or mapping would be printed as no YAML. */
function shown(value: Value): string {
  if (typeof value === "object" || value === undefined) throw new Error(`${JSON.stringify(value)} is printed as it is`);
  return String(value);
}

function isMapping(value: Value): value is Mapping {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** As Helm merges values: mappings key by key, and a key that is overridden with null goes. */
function merged(one: Mapping, other: Mapping): Mapping {
  const rows = Object.entries(other).map(([key, value]): [string, Value] => {
    const old = one[key];
    return [key, isMapping(old) && isMapping(value) ? merged(old, value) : value];
  });
  const whole = Object.entries({ ...one, ...Object.fromEntries(rows) });
  return Object.fromEntries(whole.filter(([, value]) => value !== null));
}
