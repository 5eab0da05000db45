import assert from "node:assert/strict";
import { test } from "node:test";
import { BatchError } from "../batch/batch-processor.ts";
import { buildRequest } from "../plugin/fake-request.ts";
import { compileChecked } from "./checked-plugin.ts";
import { compileIndex } from "./elasticsearch-index.ts";
import { elasticsearchLogger, judgeBulk } from "./elasticsearch-logger.ts";
import { httpLogger } from "./http-logger.ts";
import { messagesOf } from "./kafka-logger.ts";
import { brokersOf, kafkaOptions } from "./kafka-options.ts";
import { lokiLogger, pushBody } from "./loki-logger.ts";
import { syslogMessage } from "./syslog.ts";
import { datagramsOf } from "./udp-logger.ts";

test("a syslog message has one form whatever the client calls the host", () => {
  const at = Date.UTC(2024, 0, 6, 2, 30, 59, 145);
  const expected = (host: string): string => `<46>1 2024-01-06T02:30:59.145Z ${host} apisix ${process.pid} - - {"a":1}`;
  assert.equal(syslogMessage("127.0.0.1", at, '{"a":1}'), expected("127.0.0.1"));
  assert.equal(syslogMessage("", at, '{"a":1}'), expected("-"));
  assert.equal(syslogMessage("a b\nc\u00e9", at, '{"a":1}'), expected("abc"));
  assert.equal(syslogMessage("x".repeat(300), at, '{"a":1}'), expected("x".repeat(255)));
});

test("datagrams take as many entries as they can", () => {
  const texts = (entries: string[], single = false) => {
    const { datagrams, tooLong } = datagramsOf(entries, single);
    return [datagrams.map(String), tooLong];
  };
  assert.deepEqual(texts(["1", "2"]), [["[1,2]"], 0]);
  assert.deepEqual(texts(["1", "2"], true), [["1", "2"], 0]);
  const long = "x".repeat(40_000);
  assert.deepEqual(texts([long, long, "1", "y".repeat(65_506)]), [[`[${long}]`, `[${long},1]`], 1]);
  const most = "x".repeat(65_505);
  assert.equal(datagramsOf([most], false).datagrams[0]?.length, 65_507);
});

test("Loki gets a stream for each set of labels", () => {
  const entry = (labels: string, line: string) => ({ labels, line, time: "1000000" });
  assert.deepEqual(
    JSON.parse(pushBody([entry('{"a":"1"}', "x\n"), entry('{"a":"2"}', "y"), entry('{"a":"1"}', "z")])),
    {
      streams: [
        {
          stream: { a: "1" },
          values: [
            ["1000000", "x\n"],
            ["1000000", "z"],
          ],
        },
        { stream: { a: "2" }, values: [["1000000", "y"]] },
      ],
    },
  );
});

test("an index holds variables and the time, as strftime writes it", (t) => {
  t.mock.timers.enable({ apis: ["Date"], now: new Date(2026, 0, 9, 15, 4, 5) });
  const ctx = buildRequest({
    headers: [
      ["Host", "a.test:9080"],
      ["X-Up", "é"],
    ],
  });
  const resolved = (index: string): string => compileIndex(index)(ctx);
  assert.equal(resolved("services"), "services");
  assert.equal(resolved("services-{%Y.%m.%d}"), "services-2026.01.09");
  assert.equal(resolved("{%y%m%d-%H%M%S}-$host-${host}-$http_none-{%%%I%p}x"), "260109-150405-a.test-a.test--%03PMx");
  assert.equal(resolved("{%a %A %b %B %j %w %U %W}"), "Fri Friday Jan January 009 5 01 01");
  assert.equal(resolved("a{}b{"), "ab{");
  assert.throws(() => compileIndex("a-{%Q}"), /^Error: field\.index: %Q is no part of a time/);
  assert.throws(() => compileIndex("a-{%}"), /%/);
});

test("of a bulk request each document is judged by itself", () => {
  const answer = (value: unknown, status = 200) => ({
    status,
    header: () => undefined,
    body: Buffer.from(typeof value === "string" ? value : JSON.stringify(value)),
  });
  judgeBulk(answer({ errors: false }), ["a"]);
  const items = [
    { create: { status: 201 } },
    { create: { status: 400, error: { type: "mapper_parsing_exception" } } },
    { create: { status: 429, error: { type: "es_rejected_execution_exception" } } },
  ];
  assert.throws(
    () => judgeBulk(answer({ errors: true, items }), ["a", "b", "c"]),
    (error) => {
      assert.ok(error instanceof BatchError);
      assert.deepEqual([error.remaining, error.refused], [["c"], 1]);
      return true;
    },
  );
  assert.throws(() => judgeBulk(answer("no", 503), ["a"]), /^Error: Elasticsearch answered 503: no$/);
  assert.throws(() => judgeBulk(answer("<html>"), ["a"]), BatchError);
});

test("what cannot be sent is refused with the attribute's name, and no secret is told", () => {
  const refused = (plugin: Parameters<typeof compileChecked>[0], conf: object): string => {
    try {
      compileChecked(plugin, conf).dispose?.();
      return "";
    } catch (error) {
      return (error as Error).message;
    }
  };
  assert.equal(refused(httpLogger, { uri: "ftp://127.0.0.1/" }), "uri: no address of HTTP: ftp://127.0.0.1/");
  assert.equal(
    refused(httpLogger, { uri: "http://a", auth_header: "secret\r\nX: y" }),
    "auth_header: the value of Authorization holds control characters",
  );
  const loki = { endpoint_addrs: ["http://127.0.0.1"] };
  assert.equal(refused(lokiLogger, { ...loki, headers: { "a b": "1" } }), 'headers: "a b" is no name of a header');
  assert.equal(refused(lokiLogger, loki), "");
  const index = { field: { index: "i" } };
  assert.equal(refused(elasticsearchLogger, { endpoint_addr: "%", ...index }), "endpoint_addr: no address of HTTP: %");
});

test("Kafka: a batch becomes as many messages as its size needs", () => {
  assert.deepEqual(messagesOf(["1", "2", "3"], Infinity), ["[1,2,3]"]);
  assert.deepEqual(messagesOf(["1", "2", "3"], 6), ["[1,2]", "[3]"]);
  assert.deepEqual(messagesOf(['"éé"', "2"], 4), ['["éé"]', "[2]"]);
});

test("Kafka: brokers in either form, and the first login that is configured", () => {
  assert.deepEqual(brokersOf({ broker_list: { a: 1, "::1": 2 } }), ["a:1", "[::1]:2"]);
  assert.throws(() => brokersOf({ broker_list: {} }), /^Error: brokers: there is none$/);
  const sasl_config = { mechanism: "SCRAM-SHA-512", user: "u", password: "p" } as const;
  const brokers = [
    { host: "a", port: 1 },
    { host: "b", port: 2, sasl_config },
  ];
  const conf = { brokers, timeout: 3, ssl: true, ssl_verify: true, meta_refresh_interval: 30 };
  const { client, metadataMaxAge } = kafkaOptions(conf);
  assert.deepEqual(
    [client.brokers, client.ssl, metadataMaxAge],
    [["a:1", "b:2"], { rejectUnauthorized: true }, 30_000],
  );
  assert.deepEqual(client.sasl, { mechanism: "scram-sha-512", username: "u", password: "p" });
});
