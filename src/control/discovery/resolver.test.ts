import assert from "node:assert/strict";
import { Resolver as NodeResolver } from "node:dns/promises";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import * as fc from "fast-check";
import { startDns, type StandInDns, type StandInRecord } from "../../../test/support/dns.ts";
import type { DnsRecordOrder } from "../../settings/settings.ts";
import { decodeResponse, encodeQuery } from "./dns-message.ts";
import { createResolver, type Resolver } from "./resolver.ts";
import { candidates, parseHosts, parseResolverFile } from "./system-names.ts";

function files(t: TestContext, hosts: string, resolv: string): { hosts: string; resolv: string } {
  const directory = mkdtempSync(join(tmpdir(), "turnpike-dns-"));
  t.after(() => rmSync(directory, { recursive: true }));
  const paths = { hosts: join(directory, "hosts"), resolv: join(directory, "resolv.conf") };
  writeFileSync(paths.hosts, hosts);
  writeFileSync(paths.resolv, resolv);
  return paths;
}

async function resolving(
  t: TestContext,
  changes: {
    hosts?: string;
    resolv?: string;
    validMs?: number | null;
    search?: boolean;
    timeoutMs?: number;
    ipv6?: boolean;
  } = {},
): Promise<{ dns: StandInDns; resolver: Resolver }> {
  const dns = await startDns(t);
  // Whoever answers has time; a server that is silent is waited for.
  const { hosts = "", resolv = "", validMs = null, search = true, timeoutMs = 30_000, ipv6 = true } = changes;
  const servers = [{ ip: "127.0.0.1", port: dns.port }];
  const resolver = createResolver({ servers, validMs, timeoutMs, search, ipv6 }, { files: files(t, hosts, resolv) });
  return { dns, resolver };
}

test("addresses with their TTL, along CNAMEs; AAAA where there is no A", async (t) => {
  const { dns, resolver } = await resolving(t);
  dns.answers.set("a.example", [
    { type: "A", value: "10.0.0.2", ttl: 30 },
    { type: "A", value: "10.0.0.1", ttl: 20 },
  ]);
  dns.answers.set("alias.example", [
    { type: "CNAME", value: "b.example", ttl: 5 },
    { type: "A", value: "10.0.0.3", ttl: 60 },
  ]);
  dns.answers.set("six.example", [{ type: "AAAA", value: "2001:db8::1:0:0:7", ttl: 0 }]);
  assert.deepEqual(await resolver.resolve("A.Example"), { addresses: ["10.0.0.1", "10.0.0.2"], ttlMs: 20_000 });
  assert.deepEqual(await resolver.resolve("alias.example"), { addresses: ["10.0.0.3"], ttlMs: 5_000 });
  const six = await resolver.resolve("six.example.");
  assert.ok("addresses" in six);
  assert.deepEqual([new URL(`http://[${six.addresses[0]}]`).hostname, six.ttlMs], ["[2001:db8::1:0:0:7]", 1_000]);
});

test("what comes to nothing has a reason", async (t) => {
  const { dns, resolver } = await resolving(t);
  dns.answers.set("broken.example", "SERVFAIL");
  dns.answers.set("empty.example", []);
  dns.answers.set("silent.example", "silent");
  dns.answers.set("garbage.example", "garbage");
  const hasty = createResolver(
    { servers: [{ ip: "127.0.0.1", port: dns.port }], validMs: null, timeoutMs: 60, search: true, ipv6: true },
    { files: files(t, "", "") },
  );
  const reason = async (name: string, by = resolver): Promise<string> => {
    const found = await by.resolve(name);
    return "failure" in found ? found.failure : "found";
  };
  assert.equal(await reason("broken.example"), `SERVFAIL from ${dns.server}`);
  assert.match(await reason("empty.example"), /no address/);
  assert.match(await reason("none.example"), /no such name/);
  assert.equal(await reason("silent.example", hasty), `no answer from ${dns.server}`);
  assert.equal(await reason("garbage.example", hasty), `no answer from ${dns.server}`);
  assert.match(await reason(`${"x".repeat(64)}.example`), /is no name of a host/);
  assert.match(await reason(`${"x.".repeat(200)}example`), /longer than a name may be/);
});

test("a server that no packet can be sent to has a reason, too", async (t) => {
  const servers = [{ ip: "255.255.255.255", port: 53 }];
  const settings = { servers, validMs: null, timeoutMs: 1_000, search: false, ipv6: true };
  const found = await createResolver(settings, { files: files(t, "", "") }).resolve("a.example");
  assert.match("failure" in found ? found.failure : "found", /^connect EACCES.* from 255\.255\.255\.255:53$/);
});

test("a server that gives no answer is asked after the others from then on", async (t) => {
  const [dead, alive] = [await startDns(t), await startDns(t)];
  const servers = [dead, alive].map(({ port }) => ({ ip: "127.0.0.1", port }));
  const settings = { servers, validMs: null, timeoutMs: 30_000, search: false, ipv6: true };
  const resolver = createResolver(settings, { files: files(t, "", "") });
  for (const name of ["a.example", "b.example"]) {
    dead.answers.set(name, "silent");
    alive.answers.set(name, [{ type: "A", value: "10.0.0.1" }]);
    assert.deepEqual(await resolver.resolve(name), { addresses: ["10.0.0.1"], ttlMs: 1_000 });
  }
  assert.deepEqual(dead.questions, ["A a.example"]);
});

test("dns_resolver_valid counts instead of the TTL; a cut answer is asked for over TCP", async (t) => {
  const { dns, resolver } = await resolving(t, { validMs: 30_000 });
  dns.answers.set(
    "many.example",
    Array.from({ length: 100 }, (_, i) => ({ type: "A", value: `10.0.1.${i}` })),
  );
  dns.truncate = true;
  const found = await resolver.resolve("many.example");
  assert.ok("addresses" in found);
  assert.deepEqual([found.addresses.length, found.ttlMs], [100, 30_000]);
});

test("the hosts file comes first, and is read again when it changes", async (t) => {
  const dns = await startDns(t);
  const paths = files(t, "10.9.9.9 local.example alias # not this\n::1 both\n127.0.0.1 Both\n", "");
  const settings = {
    servers: [{ ip: "127.0.0.1", port: dns.port }],
    validMs: null,
    timeoutMs: 30_000,
    search: true,
    ipv6: true,
  };
  const resolver = createResolver(settings, { files: paths });
  dns.answers.set("local.example", [{ type: "A", value: "10.0.0.1" }]);
  assert.deepEqual(await resolver.resolve("LOCAL.example"), { addresses: ["10.9.9.9"], ttlMs: 5_000 });
  assert.deepEqual(await resolver.resolve("both"), { addresses: ["127.0.0.1"], ttlMs: 5_000 });
  writeFileSync(paths.hosts, "");
  assert.deepEqual(await resolver.resolve("local.example"), { addresses: ["10.0.0.1"], ttlMs: 1_000 });
});

test("the search list, by ndots; nothing of it answers for what a name was found by and cannot be asked for", async (t) => {
  const resolv = "search ns.svc.cluster.example cluster.example\noptions ndots:2 timeout:1\n";
  const { dns, resolver } = await resolving(t, { resolv });
  dns.answers.set("db.cluster.example", [{ type: "A", value: "10.0.0.1" }]);
  dns.answers.set("db", [{ type: "A", value: "10.0.0.2" }]);
  dns.answers.set("a.b.c", [{ type: "A", value: "10.0.0.3" }]);
  const address = async (name: string): Promise<unknown> => {
    const found = await resolver.resolve(name);
    return "addresses" in found ? found.addresses[0] : found.failure;
  };
  assert.equal(await address("db"), "10.0.0.1");
  assert.equal(await address("db."), "10.0.0.2");
  assert.equal(await address("a.b.c"), "10.0.0.3");
  dns.answers.set("db.cluster.example", "SERVFAIL");
  assert.match(String(await address("db")), /SERVFAIL/);
  // A domain of the list that is out of order for good keeps no name from being found.
  dns.answers.set("broken.ns.svc.cluster.example", "SERVFAIL");
  dns.answers.set("broken.cluster.example", [{ type: "A", value: "10.0.0.4", ttl: 300 }]);
  assert.deepEqual(await resolver.resolve("broken"), { addresses: ["10.0.0.4"], ttlMs: 5_000 });
  dns.answers.set("broken.cluster.example", "NXDOMAIN");
  assert.match(String(await address("broken")), /SERVFAIL/, "no certain no");
  const plain = createResolver(
    { servers: [{ ip: "127.0.0.1", port: dns.port }], validMs: null, timeoutMs: 30_000, search: false, ipv6: true },
    { files: files(t, "", resolv) },
  );
  assert.deepEqual(await plain.resolve("db"), { addresses: ["10.0.0.2"], ttlMs: 1_000 });
});

test("services: types in the order that is configured, first the one that was found the last time", async (t) => {
  const dns = await startDns(t);
  const settings = {
    servers: [{ ip: "127.0.0.1", port: dns.port }],
    validMs: null,
    timeoutMs: 60,
    search: false,
    ipv6: true,
  };
  const of = async (resolver: Resolver): Promise<readonly unknown[]> => {
    const found = await resolver.resolveService("shop.example");
    return "records" in found ? found.records.map(({ host, port }) => [host, port]) : [found.failure];
  };
  dns.answers.set("shop.example", [
    { type: "SRV", value: "1 1 80 a.example" },
    { type: "A", value: "10.0.0.1" },
    { type: "AAAA", value: "fd00::1" },
  ]);
  dns.answers.set("a.example", [{ type: "A", value: "10.0.0.2" }]);
  const ordered = (...order: DnsRecordOrder): Resolver => createResolver(settings, { files: files(t, "", ""), order });
  assert.deepEqual(await of(ordered("SRV", "A")), [["10.0.0.2", 80]]);
  assert.deepEqual(await of(ordered("A", "SRV")), [["10.0.0.1", null]]);
  assert.deepEqual(await of(ordered("CNAME", "AAAA")), [["fd00::1", null]]);
  const [first, last] = [ordered("SRV", "AAAA"), ordered("last", "SRV", "AAAA")];
  dns.answers.set("shop.example", [{ type: "AAAA", value: "fd00::1" }]);
  for (const resolver of [first, last]) assert.deepEqual(await of(resolver), [["fd00::1", null]]);
  const asked = dns.questions.length;
  for (const resolver of [first, last]) assert.deepEqual(await of(resolver), [["fd00::1", null]]);
  assert.deepEqual(dns.questions.slice(asked), ["SRV shop.example", "AAAA shop.example", "AAAA shop.example"]);
});

test("services: what one was found by and cannot be asked for now is not replaced by another type", async (t) => {
  const dns = await startDns(t);
  const settings = {
    servers: [{ ip: "127.0.0.1", port: dns.port }],
    validMs: null,
    timeoutMs: 30_000,
    search: false,
    ipv6: true,
  };
  const resolver = createResolver(settings, { files: files(t, "", "") });
  const find = async (): Promise<unknown> => {
    const found = await resolver.resolveService("shop.example");
    return "records" in found ? found.records.map(({ host, port }) => `${host}:${port}`).join() : found.failure;
  };
  const all: readonly StandInRecord[] = [
    { type: "SRV", value: "1 1 80 shop.example" },
    { type: "A", value: "10.0.0.1" },
  ];
  dns.refused.add("SRV");
  dns.answers.set("shop.example", all);
  assert.equal(await find(), "10.0.0.1:null", "the first time, what there is");
  dns.refused.clear();
  assert.equal(await find(), "10.0.0.1:80", "which is not kept as its type");
  dns.refused.add("SRV");
  assert.match(String(await find()), /^REFUSED/);
  dns.refused.clear();
  dns.answers.set("shop.example", all.slice(1));
  assert.equal(await find(), "10.0.0.1:null");
});

test("an alias whose target the server does not tell is followed, an endless one is not", async (t) => {
  const { dns, resolver } = await resolving(t);
  dns.answers.set("alias.example", [{ type: "CNAME", value: "other.example", ttl: 9 }]);
  dns.answers.set("other.example", [{ type: "CNAME", value: "a.example", ttl: 7 }]);
  dns.answers.set("a.example", [{ type: "A", value: "10.0.0.1", ttl: 60 }]);
  assert.deepEqual(await resolver.resolve("alias.example"), { addresses: ["10.0.0.1"], ttlMs: 7_000 });
  dns.answers.set("other.example", [{ type: "CNAME", value: "alias.example" }]);
  assert.ok("failure" in (await resolver.resolve("alias.example")));
});

test("without IPv6 no name is asked for it", async (t) => {
  const { dns, resolver } = await resolving(t, { ipv6: false, hosts: "::1 six.example\n" });
  dns.answers.set("six.example", [{ type: "AAAA", value: "fd00::1" }]);
  assert.ok("failure" in (await resolver.resolve("six.example")));
  assert.ok("failure" in (await resolver.resolveService("six.example")));
  assert.ok(dns.questions.length > 0 && dns.questions.every((question) => !question.startsWith("AAAA")));
});

test("services: SRV with targets, their weights and priorities; addresses where there is no SRV", async (t) => {
  const { dns, resolver } = await resolving(t);
  dns.answers.set("srv.example", [
    { type: "SRV", value: "10 60 1980 a.example", ttl: 86_400 },
    { type: "SRV", value: "20 20 0 b.example", ttl: 86_400 },
    { type: "SRV", value: "20 0 1982 gone.example", ttl: 86_400 },
  ]);
  dns.answers.set("a.example", [{ type: "A", value: "10.0.0.1", ttl: 300 }]);
  dns.answers.set("b.example", [
    { type: "A", value: "10.0.0.2", ttl: 300 },
    { type: "A", value: "10.0.0.3", ttl: 300 },
  ]);
  assert.deepEqual(await resolver.resolveService("srv.example"), {
    records: [
      { host: "10.0.0.1", port: 1980, weight: 60, priority: 10 },
      { host: "10.0.0.2", port: null, weight: 10, priority: 20 },
      { host: "10.0.0.3", port: null, weight: 10, priority: 20 },
    ],
    ttlMs: 300_000,
  });
  dns.answers.set("srv.example", [
    { type: "SRV", value: "1 1 80 b.example" },
    { type: "SRV", value: "1 0 80 a.example" },
  ]);
  const odd = await resolver.resolveService("srv.example");
  assert.deepEqual("records" in odd && odd.records.map(({ host, weight }) => [host, weight]), [
    ["10.0.0.2", 1],
    ["10.0.0.3", 1],
    ["10.0.0.1", 2],
  ]);
  assert.deepEqual(await resolver.resolveService("a.example"), {
    records: [{ host: "10.0.0.1", port: null, weight: 1, priority: 0 }],
    ttlMs: 300_000,
  });
});

test("the stand-in speaks as a resolver that is not ours expects", async (t) => {
  const dns = await startDns(t);
  dns.answers.set("srv.example", [{ type: "SRV", value: "10 60 1980 a.example" }]);
  dns.answers.set("six.example", [{ type: "AAAA", value: "2001:db8::1" }]);
  const resolver = new NodeResolver();
  resolver.setServers([dns.server]);
  const [service] = await resolver.resolveSrv("srv.example");
  assert.deepEqual([service?.name, service?.port, service?.priority, service?.weight], ["a.example", 1980, 10, 60]);
  assert.deepEqual(await resolver.resolve6("six.example"), ["2001:db8::1"]);
  await assert.rejects(resolver.resolve4("none.example"), { code: "ENOTFOUND" });
});

test("files of the system", () => {
  const text =
    "# c\nnameserver 10.0.0.53\nnameserver fe80::1%eth0\nnameserver x\ndomain one\nsearch two three\noptions ndots:5\n";
  assert.deepEqual(parseResolverFile(text), {
    servers: [
      { ip: "10.0.0.53", port: 53 },
      { ip: "fe80::1", port: 53 },
    ],
    search: ["two", "three"],
    ndots: 5,
  });
  assert.deepEqual(parseResolverFile("search . a.example.\n").search, ["a.example"]);
  assert.deepEqual(parseResolverFile("search a\ndomain .\n").search, []);
  assert.deepEqual(parseResolverFile(""), { servers: [], search: [], ndots: 1 });
  assert.deepEqual(
    [...parseHosts("nonsense line\n10.0.0.1 a A b\n10.0.0.2 a")],
    [
      ["a", ["10.0.0.1", "10.0.0.2"]],
      ["b", ["10.0.0.1"]],
    ],
  );
  assert.deepEqual(candidates("a.b", { search: ["s"], ndots: 1 }), ["a.b", "a.b.s"]);
});

test("whatever comes instead of a response, reading it ends and does not throw", () => {
  const query = encodeQuery("a.example", "A");
  const head = Buffer.from(query);
  head.writeUInt16BE(0x8180, 2);
  head.writeUInt16BE(3, 6);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), fc.boolean(), (bytes, begun) => {
      void decodeResponse(begun ? Buffer.concat([head, bytes]) : Buffer.from(bytes), query);
    }),
    { numRuns: 2_000 },
  );
  const loop = Buffer.concat([head, Buffer.of(0xc0, head.length)]);
  assert.equal(decodeResponse(loop, query), null, "a name that points at itself");
  assert.equal(decodeResponse(head, encodeQuery("b.example", "A")), null, "an answer to another question");
});

test("addresses of IPv6 are written as RFC 5952 says, whatever their zeros", () => {
  const query = encodeQuery("a.example", "AAAA");
  const head = Buffer.concat([query, Buffer.of(0xc0, 12, 0, 28, 0, 1, 0, 0, 0, 1, 0, 16)]);
  head.writeUInt16BE(0x8180, 2);
  head.writeUInt16BE(1, 6);
  const group = fc.oneof(fc.constantFrom(0, 0xfd00, 0x10, 1), fc.integer({ min: 0, max: 0xffff }));
  fc.assert(
    fc.property(fc.array(group, { minLength: 8, maxLength: 8 }), (groups) => {
      const address = Buffer.alloc(16);
      groups.forEach((value, i) => address.writeUInt16BE(value, i * 2));
      const text = groups.map((value) => value.toString(16)).join(":");
      const canonical = new URL(`http://[${text}]`).hostname.slice(1, -1);
      assert.equal(decodeResponse(Buffer.concat([head, address]), query)?.answers[0]?.value, canonical);
    }),
  );
});
