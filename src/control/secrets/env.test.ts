import assert from "node:assert/strict";
import { test } from "node:test";
import { lookupEnv } from "./env.ts";

const env = {
  KEY: "abc",
  JACK: '{"auth-key":"abc","n":5,"yes":true,"o":{},"a/b":"x","nil":null}',
  LIST: "[1]",
  EMPTY: "",
};

test("a variable, or a field of the JSON object in it", () => {
  const fresh = (value: string): object => ({ value, stale: null });
  const error = (reason: string): object => ({ error: reason });
  const cases: readonly (readonly [name: string, key: string | null, answer: object])[] = [
    ["KEY", null, fresh("abc")],
    ["EMPTY", null, fresh("")],
    ["JACK", "auth-key", fresh("abc")],
    ["JACK", "n", fresh("5")],
    ["JACK", "yes", fresh("true")],
    ["JACK", "a/b", fresh("x")],
    ["JACK", "o", error("field o of environment variable JACK is not a text")],
    ["JACK", "nil", error("field nil of environment variable JACK is not a text")],
    ["JACK", "none", error("environment variable JACK has no field none")],
    ["JACK", "toString", error("environment variable JACK has no field toString")],
    ["LIST", "0", error("environment variable LIST has no field 0")],
    ["KEY", "x", error("environment variable KEY does not hold JSON")],
    ["NONE", null, error("environment variable NONE is not set")],
    ["toString", null, error("environment variable toString is not set")],
  ];
  for (const [name, key, answer] of cases) assert.deepEqual(lookupEnv(env, name, key), answer, `${name}/${key}`);
});
