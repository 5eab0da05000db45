/**
 * What conditions may ask of a GraphQL document: the operation's type, its name and
 * the fields at its root (GraphQL, October 2021, section 2). The document is not
 * validated any further than that takes.
 */

/** One operation of a document. */
export interface GraphqlOperation {
  readonly type: "query" | "mutation" | "subscription";
  /** `""` where it has none. */
  readonly name: string;
  /** Names (never aliases) of the fields at the root, those of fragments included; in order. */
  readonly rootFields: readonly string[];
}

type Token = string;

/** Insignificant text, or one token: punctuator, name, number, block string, string. */
const lexeme =
  /[\s,\uFEFF]+|#[^\n\r]*|\.\.\.|[!$&()*:=@[\]{|}]|[A-Za-z_]\w*|-?\d[\w.+-]*|"""(?:\\"""|(?!""")[^])*"""|"(?:\\.|[^"\\\n\r])*"/y;

const operationTypes = new Set<string>(["query", "mutation", "subscription"]);
const closing: Readonly<Record<string, string>> = { "(": ")", "[": "]", "{": "}" };

/** Fields at the root of one operation, at most. */
const MAX_ROOT_FIELDS = 1_000;

/**
 * The operation that a server would run: the one of that name, or the only one.
 * `null` where the document is malformed or leaves the choice open.
 */
export function parseGraphql(source: string, operationName?: string): GraphqlOperation | null {
  const tokens = tokenize(source);
  if (tokens === null) return null;
  try {
    return new Document(tokens).operation(operationName);
  } catch (thrown) {
    if (thrown instanceof Malformed) return null;
    throw thrown;
  }
}

class Malformed extends Error {}

function tokenize(source: string): Token[] | null {
  const tokens: Token[] = [];
  lexeme.lastIndex = 0;
  while (lexeme.lastIndex < source.length) {
    const found = lexeme.exec(source)?.[0];
    if (found === undefined) return null;
    if (!/^[\s,#\uFEFF]/.test(found)) tokens.push(found);
  }
  return tokens;
}

/** A selection at the root: a field, or a fragment by name or in place. */
type Selection = { readonly field: string } | { readonly fragment: string } | { readonly inside: readonly Selection[] };

interface Definition {
  readonly type: GraphqlOperation["type"] | "fragment";
  readonly name: string;
  readonly selections: readonly Selection[];
}

/** Reads the definitions of a document from its tokens. */
class Document {
  readonly #tokens: readonly Token[];
  #at = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  operation(wanted: string | undefined): GraphqlOperation | null {
    const definitions: Definition[] = [];
    while (this.#at < this.#tokens.length) definitions.push(this.#definition());
    const operations = definitions.filter(({ type }) => type !== "fragment");
    const named = wanted === undefined || wanted === "" ? operations : operations.filter(({ name }) => name === wanted);
    const [only] = named;
    if (named.length !== 1 || only === undefined || only.type === "fragment") return null;
    const fragments = new Map(definitions.filter(({ type }) => type === "fragment").map((one) => [one.name, one]));
    const rootFields: string[] = [];
    collect(only.selections, fragments, new Set(), rootFields);
    return { type: only.type, name: only.name, rootFields };
  }

  #definition(): Definition {
    const token = this.#peek();
    if (token === "{") return { type: "query", name: "", selections: this.#selections(0) };
    this.#at++;
    if (token === "fragment") {
      const name = this.#name();
      this.#expect("on");
      this.#name();
      this.#directives();
      return { type: "fragment", name, selections: this.#selections(0) };
    }
    if (!operationTypes.has(token)) throw new Malformed();
    const name = isName(this.#peek()) ? this.#name() : "";
    if (this.#peek() === "(") this.#skip();
    this.#directives();
    return { type: token as GraphqlOperation["type"], name, selections: this.#selections(0) };
  }

  #selections(depth: number): Selection[] {
    if (depth > 32) throw new Malformed();
    this.#expect("{");
    const selections: Selection[] = [];
    while (this.#peek() !== "}") selections.push(this.#selection(depth));
    this.#at++;
    if (selections.length === 0) throw new Malformed();
    return selections;
  }

  #selection(depth: number): Selection {
    if (this.#peek() === "...") {
      this.#at++;
      if (isName(this.#peek()) && this.#peek() !== "on") {
        const fragment = this.#name();
        this.#directives();
        return { fragment };
      }
      if (this.#peek() === "on") {
        this.#at++;
        this.#name();
      }
      this.#directives();
      return { inside: this.#selections(depth + 1) };
    }
    let field = this.#name();
    if (this.#peek() === ":") {
      this.#at++;
      field = this.#name();
    }
    if (this.#peek() === "(") this.#skip();
    this.#directives();
    if (this.#peek() === "{") this.#skip();
    return { field };
  }

  #directives(): void {
    while (this.#peek() === "@") {
      this.#at++;
      this.#name();
      if (this.#peek() === "(") this.#skip();
    }
  }

  /** Skips from an opening bracket over its closing one; all between must be balanced. */
  #skip(): void {
    const open: string[] = [];
    do {
      const token = this.#peek();
      if (token === "") throw new Malformed();
      this.#at++;
      const close = closing[token];
      if (close !== undefined) open.push(close);
      else if ((token === ")" || token === "]" || token === "}") && open.pop() !== token) throw new Malformed();
    } while (open.length > 0);
  }

  #peek(): Token {
    return this.#tokens[this.#at] ?? "";
  }

  #name(): string {
    const token = this.#peek();
    if (!isName(token)) throw new Malformed();
    this.#at++;
    return token;
  }

  #expect(wanted: string): void {
    if (this.#peek() !== wanted) throw new Malformed();
    this.#at++;
  }
}

const isName = (token: Token): boolean => /^[A-Za-z_]/.test(token);

function collect(
  selections: readonly Selection[],
  fragments: ReadonlyMap<string, Definition>,
  open: Set<string>,
  fields: string[],
): void {
  for (const selection of selections) {
    if (fields.length >= MAX_ROOT_FIELDS) throw new Malformed();
    if ("field" in selection) fields.push(selection.field);
    else if ("inside" in selection) collect(selection.inside, fragments, open, fields);
    else {
      const fragment = fragments.get(selection.fragment);
      // A fragment that is not there or holds itself is for no server to run.
      if (fragment === undefined || open.has(fragment.name)) throw new Malformed();
      open.add(fragment.name);
      collect(fragment.selections, fragments, open, fields);
      open.delete(fragment.name);
    }
  }
}
