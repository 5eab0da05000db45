import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { compileAddresses } from "../../lib/cidr.ts";
import type { StreamRoute } from "../../schema/stream-route.ts";
import type { StreamEnds } from "./stream-plan.ts";
import { StreamEntry, StreamTable } from "./stream-table.ts";

const ends: StreamEnds = { remoteAddr: "10.0.0.1", serverAddr: "127.0.0.1", serverPort: 9100, sni: null };

function tableOf(routes: readonly Omit<StreamRoute, "create_time">[]): StreamTable {
  const table = new StreamTable();
  for (const route of routes) table.set(route.id, entryOf(route));
  return table;
}

const entryOf = (route: StreamRoute): StreamEntry => new StreamEntry(route.id, JSON.stringify(route), route);

test("names before everything else, the longest first", () => {
  const table = tableOf([
    { id: "any" },
    { id: "com", sni: "*.com" },
    { id: "wild", sni: "*.Example.com" },
    { id: "exact", sni: "a.example.com" },
    { id: "other-port", sni: "b.example.com", server_port: 1 },
    { id: "ends", sni: "*ample.org" },
  ]);
  const asked = (sni: string | null): string | undefined => table.match({ ...ends, sni })?.id;
  assert.equal(asked("a.example.com"), "exact");
  assert.equal(asked("b.example.com"), "wild");
  assert.equal(asked("x.y.example.com"), "wild");
  assert.equal(asked("example.com"), "com");
  assert.equal(asked("www.example.org"), "ends");
  assert.equal(asked("example.net"), "any");
  assert.equal(asked(null), "any");
});

test("a route that was changed or removed is found no longer where it was", () => {
  const table = tableOf([
    { id: "1", sni: "*.a.com" },
    { id: "2", server_port: 9100 },
  ]);
  table.set("1", entryOf({ id: "1", server_port: 9101 }));
  assert.equal(table.match({ ...ends, sni: "x.a.com" })?.id, "2");
  assert.equal(table.match({ ...ends, serverPort: 9101 })?.id, "1");
  assert.equal(table.set("2", null)?.id, "2");
  assert.equal(table.match(ends), null);
});

test("finds what a plain search in order finds, whatever was set and removed before", () => {
  const id = fc.constantFrom("1", "2", "3", "10", "11", "a");
  const some = <T>(...values: readonly T[]): fc.Arbitrary<T | undefined> => fc.constantFrom(undefined, ...values);
  const route = fc.record({
    server_port: some(9100, 9101),
    server_addr: some("127.0.0.1", "127.0.0.2"),
    remote_addr: some("10.0.0.0/8", "10.0.0.3/31", "10.0.0.2", "0.0.0.0/0", "::1", "::/64", "::/0"),
    sni: some("a.com", "*.a.com", "*.b.a.com", "*"),
  });
  const steps = fc.array(fc.tuple(id, fc.option(route, { freq: 4 })), { maxLength: 20 });
  const stream = fc.record({
    remoteAddr: fc.constantFrom("10.0.0.1", "10.0.0.2", "::1", "0:0::1", "fd00::1", ""),
    serverAddr: fc.constantFrom("127.0.0.1", "127.0.0.2"),
    serverPort: fc.constantFrom(9100, 9101),
    sni: fc.constantFrom(null, "a.com", "x.a.com", "x.b.a.com", "com"),
  });
  fc.assert(
    fc.property(steps, fc.array(stream, { minLength: 1, maxLength: 8 }), (changes, streams) => {
      const table = new StreamTable();
      const model = new Map<string, StreamRoute>();
      for (const [key, conf] of changes) {
        const fields = Object.entries(conf ?? {}).filter(([, value]) => value !== undefined);
        const whole = { id: key, ...Object.fromEntries(fields) } as StreamRoute;
        table.set(key, conf === null ? null : entryOf(whole));
        if (conf === null) model.delete(key);
        else model.set(key, whole);
      }
      for (const one of streams) assert.equal(table.match(one)?.id ?? null, searched([...model.values()], one));
    }),
  );
});

/** The id of the route that the rules say. */
function searched(routes: readonly StreamRoute[], stream: StreamEnds): string | null {
  const fits = routes.filter(({ server_port: port, server_addr: server, remote_addr: remote, sni }) => {
    if (port !== undefined && port !== stream.serverPort) return false;
    if (server !== undefined && server !== stream.serverAddr) return false;
    if (remote !== undefined && !compileAddresses([remote]).matches(stream.remoteAddr)) return false;
    if (sni === undefined) return true;
    if (stream.sni === null) return false;
    return sni.startsWith("*") ? stream.sni.endsWith(sni.slice(1)) : sni === stream.sni;
  });
  const weight = ({ sni }: StreamRoute): number => {
    if (sni === undefined) return -1;
    return sni.startsWith("*") ? sni.length : 1_000;
  };
  fits.sort((a, b) => weight(b) - weight(a) || a.id.length - b.id.length || (a.id < b.id ? -1 : 1));
  return fits[0]?.id ?? null;
}
