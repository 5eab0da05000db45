import assert from "node:assert/strict";
import { test } from "node:test";
import { compileBodyVariable, isBodyVariable } from "./body-variables.ts";
import { buildRequest } from "./fake-request.ts";
import { compileVariable } from "./variables.ts";

function read(name: string, type: string, body: string | undefined, target = "/", method = "POST"): unknown {
  const headers: [string, string][] = type === "" ? [] : [["Content-Type", type]];
  const ctx = buildRequest({ method, target, headers, ...(body === undefined ? {} : { body }) });
  return compileBodyVariable(name)?.(ctx);
}

test("names", () => {
  for (const name of ["graphql_name", "graphql_operation", "graphql_root_fields", "post_arg_a", "post_arg.a"]) {
    assert.equal(isBodyVariable(name), true, name);
  }
  for (const name of ["graphql_x", "post_arg", "post_arg.", "arg_post", "uri"])
    assert.equal(isBodyVariable(name), false);
});

test("post_arg_NAME reads forms only", () => {
  const form = "application/x-www-form-urlencoded";
  assert.equal(read("post_arg_name", form, "name=json&name=2"), "json");
  assert.equal(read("post_arg_name", `${form}; charset=utf-8`, "a=1&name=a%20b+%C3%A9"), "a b é");
  assert.equal(read("post_arg_name", "Application/X-WWW-Form-Urlencoded", "na%6De"), "");
  assert.equal(read("post_arg_name", form, "other=1"), undefined);
  assert.equal(read("post_arg_name", "application/json", '{"name":"json"}'), undefined);
  assert.equal(read("post_arg_name", form, undefined), undefined);
});

test("post_arg.PATH reads JSON, forms and multipart forms", () => {
  const json = JSON.stringify({
    model: "gpt",
    n: 3,
    on: true,
    deep: { a: [{ b: "x" }, { b: "y" }] },
    tags: ["a", 1],
    "odd-name": "z",
    "a.b": { "]": "q" },
    none: null,
  });
  const of = (path: string): unknown => read(`post_arg.${path}`, "application/json; charset=utf-8", json);
  assert.equal(of("model"), "gpt");
  assert.equal(of("n"), 3);
  assert.equal(of("on"), true);
  assert.equal(of("deep.a[1].b"), "y");
  assert.deepEqual(of("deep.a[*].b"), ["x", "y"]);
  assert.deepEqual(of("tags"), ["a", 1]);
  assert.equal(of("odd-name"), "z");
  assert.equal(of("['odd-name']"), "z");
  assert.equal(of(`['a.b']["]"]`), "q");
  assert.equal(of("deep.a[-1].b"), "y");
  assert.equal(of("deep.a[-3].b"), undefined);
  assert.deepEqual(of("deep.*[*].b"), ["x", "y"]);
  assert.deepEqual(of("deep[*][0]['b']"), ["x"]);
  assert.equal(of("deep.a[*].c"), undefined);
  for (const path of ["none", "deep", "nothing", "deep.a[9].b", "model.x", "tags.length", "constructor", "[", "a]"]) {
    assert.equal(of(path), undefined, path);
  }
  assert.equal(read("post_arg.a", "application/json", "{broken"), undefined);
  assert.equal(read("post_arg.a.b", "application/x-www-form-urlencoded", "a.b=1"), "1");
  assert.equal(read("post_arg.a[]", "application/x-www-form-urlencoded", "a[]=1&a[]=2"), "1");
  assert.equal(read("post_arg.a", "text/plain", "a=1"), undefined);
  for (const path of ["a..b", "a[?(@.b)]", "a[0:2]", "a[0,1]"]) assert.throws(() => of(path), /of JSONPath only/, path);
});

test("multipart forms: fields, no files, nothing of what is cut short", () => {
  const part = (disposition: string, value: string): string =>
    `--B\r\nContent-Disposition: form-data; ${disposition}\r\n\r\n${value}\r\n`;
  const body = `${part('name="a"', "1\r\n2")}${part('name="f"; filename="x"', "file")}${part('name="é"', "ü")}${part("name=t", "token")}--B--\r\n`;
  const type = 'multipart/form-data; boundary="B"';
  assert.equal(read("post_arg.a", type, body), "1\r\n2");
  assert.equal(read("post_arg.é", type, body), "ü");
  assert.equal(read("post_arg.t", type, body), "token");
  assert.equal(read("post_arg.f", type, body), undefined);
  assert.equal(read("post_arg.a", "multipart/form-data; boundary=B", body.slice(0, -8)), undefined);
  assert.equal(read("post_arg.a", "multipart/form-data", body), undefined);
});

test("graphql: in a query, as text and as JSON", () => {
  const source = "query getRepo { owner { name } repo { created } }";
  const asJson = JSON.stringify({ query: source });
  assert.equal(read("graphql_name", "application/graphql", source), "getRepo");
  assert.equal(read("graphql_operation", "application/json", asJson), "query");
  assert.deepEqual(read("graphql_root_fields", "application/json", asJson), ["owner", "repo"]);
  const target = `/?query=${encodeURIComponent(source)}`;
  assert.deepEqual(read("graphql_root_fields", "", undefined, target, "GET"), ["owner", "repo"]);
  assert.equal(read("graphql_name", "text/plain", source), undefined);
  assert.equal(read("graphql_name", "application/json", '{"query":1}'), undefined);
  assert.equal(read("graphql_name", "application/json", "null"), undefined);
  assert.equal(read("graphql_name", "application/graphql", "query {"), undefined);
  assert.equal(read("graphql_name", "application/graphql", source, "/", "PUT"), undefined);
});

test("in templates a list is JSON", () => {
  const ctx = buildRequest({ method: "POST", headers: [["Content-Type", "application/graphql"]], body: "{ hero }" });
  assert.equal(compileVariable("graphql_root_fields")(ctx), '["hero"]');
});
