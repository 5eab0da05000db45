import assert from "node:assert/strict";
import { test } from "node:test";
import { filterFuncFault, scriptFault } from "./lua-source.ts";
import { protoFault } from "./proto-content.ts";

test("Lua that loads, and Lua that does not", () => {
  for (const source of [
    'function(vars) return vars.arg_a == "1" end',
    "function() end, 1",
    "function(v)\n return true end",
  ])
    assert.equal(filterFuncFault(source), null, source);
  assert.equal(
    filterFuncFault("function(vars) return"),
    `failed to load 'filter_func' string: [string "return function(vars) return"]:1: 'end' expected near '<eof>'`,
  );
  assert.match(filterFuncFault("function" + "(".repeat(50_000)) ?? "", /failed to load/);
  for (const source of ["local _M = {} return _M", "return { access = function() end }", "return setmetatable({}, {})"])
    assert.equal(scriptFault(source), null, source);
  assert.match(scriptFault("nonsense nonsense") ?? "", /'=' expected near 'nonsense'/);
  for (const source of ["return 1234567", "local a = 1", "return nil", "return", "return 'text'"])
    assert.equal(scriptFault(source), "'script' should be a Lua object", source);
});

test("the content of protos", () => {
  const set = (file: string): string => {
    const name = Buffer.from(file);
    const descriptor = Buffer.from([0x0a, name.length, ...name]);
    return Buffer.from([0x0a, descriptor.length, ...descriptor]).toString("base64");
  };
  for (const content of [
    'syntax = "proto3";',
    "message A { required string a = 1; }",
    'syntax = "proto3";\npackage g;\nservice S { rpc M (A) returns (stream A) {} }\nmessage A { map<string, B> a = 1; message B {} }',
    'syntax = "proto3";\nenum E { A = 1; }\n// 注释\nmessage M { oneof o { E e = 1; int32 i = 2; } }',
    set("a.proto"),
  ])
    assert.equal(protoFault(content), null, content);
  for (const [content, reason] of [
    ["nonsense", /nonsense/],
    ['syntax = "proto3";\nmessage A {', /ends within/],
    ['syntax = "proto3";\nmessage A { string a = 1; string b = 1; }', /duplicate id 1/],
    ['syntax = "proto3";\nmessage A { B b = 1; }', /'B'/],
    ['import "other.proto";', /import of other.proto/],
    [Buffer.from("\n\x07a.proto\x12\x01a").toString("base64"), /invalid content/],
  ] as const)
    assert.match(protoFault(content) ?? "", reason, content);
});
