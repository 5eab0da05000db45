/**
 * The type that a JSON Schema describes, for the part of JSON Schema that plugins
 * need types for. What it does not know (`oneOf`, `patternProperties`, …) is
 * `unknown`: the plugin narrows it once, while it is compiled. A property with a
 * default is always there, because defaults are filled in before `compile`.
 */
export type ConfOf<S> = S extends { readonly enum: readonly (infer E)[] }
  ? E
  : S extends { readonly type: "string" }
    ? string
    : S extends { readonly type: "integer" | "number" }
      ? number
      : S extends { readonly type: "boolean" }
        ? boolean
        : S extends { readonly type: "array"; readonly items: infer I }
          ? readonly ConfOf<I>[]
          : S extends { readonly type: "array" }
            ? readonly unknown[]
            : S extends { readonly type: "object"; readonly properties: infer P }
              ? ObjectOf<P, RequiredOf<S>>
              : S extends { readonly type: "object" }
                ? Readonly<Record<string, unknown>>
                : unknown;

type RequiredOf<S> = S extends { readonly required: readonly (infer K)[] } ? K : never;

/** Properties that are named in `required` or have a default. */
type Present<P, R> = {
  [K in keyof P]: K extends R ? K : P[K] extends { readonly default: unknown } ? K : never;
}[keyof P];

type ObjectOf<P, R> = { readonly [K in Present<P, R>]: ConfOf<P[K]> } & {
  readonly [K in Exclude<keyof P, Present<P, R>>]?: ConfOf<P[K]>;
};
