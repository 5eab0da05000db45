import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { ask } from "./support/client.ts";
import { startEcho } from "./support/echo.ts";
import { startKafka } from "./support/kafka.ts";
import { serving, to } from "./support/serving.ts";

// kafka-logger through the front door, against a stand-in for a broker.

test("kafka-logger puts single entries, batches and requests as they came into a topic, logged in and over TLS", async (t) => {
  const echo = await startEcho(t);
  const plain = await startKafka(t, { partitions: 3 });
  const login = { name: "user", password: "secret" };
  const [simple, scram] = [
    await startKafka(t, { user: { mechanism: "PLAIN", ...login } }),
    await startKafka(t, { tls: true, user: { mechanism: "SCRAM-SHA-256", ...login } }),
  ];
  const at = (port: number, mechanism?: string, password = "secret"): object => ({
    brokers: [
      {
        host: "127.0.0.1",
        port,
        ...(mechanism === undefined ? {} : { sasl_config: { mechanism, user: "user", password } }),
      },
    ],
  });
  const conf = { kafka_topic: "logs", batch_max_size: 1, log_format: { u: "$uri" } };
  const route = (id: string, logger: object): object =>
    to({ [echo.node]: 1 }, {}, { id, uri: `/${id}`, plugins: { "kafka-logger": { ...conf, ...logger } } });
  const gateway = await serving(t, {
    routes: [
      route("one", { ...at(plain.port), key: "k", required_acks: -1 }),
      route("two", { broker_list: { "127.0.0.1": plain.port }, batch_max_size: 2 }),
      route("origin", { ...at(plain.port), meta_format: "origin", include_req_body: true }),
      route("again", { ...at(plain.port), max_retry_count: 3, retry_delay: 0 }),
      route("plain", at(simple.port, "PLAIN")),
      route("wrong", at(simple.port, "PLAIN", "wrong")),
      route("scram", { ...at(scram.port, "SCRAM-SHA-256"), ssl: true, ssl_verify: false }),
    ],
  });
  const get = async (path: string, options = {}): Promise<void> =>
    assert.equal((await ask(gateway.httpPort, path, options)).status, 200);

  await get("/one");
  const { timestamp, ...one } = await plain.inbox.next();
  const [partition] = [one.partition];
  assert.deepEqual(one, { topic: "logs", key: "k", value: '{"u":"/one","route_id":"one"}', acks: -1, partition });
  assert.ok(Math.abs(timestamp - Date.now()) < 60_000);
  // A key leads to one partition.
  await get("/one");
  assert.equal((await plain.inbox.next()).partition, partition);

  await get("/two");
  await get("/two");
  const two = await plain.inbox.next();
  const entry = { u: "/two", route_id: "two" };
  assert.deepEqual([two.key, two.acks, JSON.parse(two.value)], [null, 1, [entry, entry]]);

  await get("/origin", { method: "POST", body: "abc", headers: { Host: "h", "X-A": "1", "Content-Length": "3" } });
  const origin = await plain.inbox.next();
  assert.match(origin.value, /^POST \/origin HTTP\/1\.1\r\nhost: h\r\nx-a: 1\r\n(?:.*\r\n)*\r\nabc$/);

  // Brokers that refuse, and one that cut the connection.
  plain.refusals = 3;
  await get("/again");
  assert.equal((await plain.inbox.next()).value, '{"u":"/again","route_id":"again"}');
  plain.cut();
  await get("/again");
  assert.equal((await plain.inbox.next()).value, '{"u":"/again","route_id":"again"}');

  await get("/plain");
  assert.equal((await simple.inbox.next()).value, '{"u":"/plain","route_id":"plain"}');
  await get("/scram");
  assert.equal((await scram.inbox.next()).value, '{"u":"/scram","route_id":"scram"}');
  await get("/wrong");
  while (!/of routes\/wrong: batch kafka logger: 1 entry dropped: Kafka: .*[Aa]uthentication/.test(gateway.errorLog)) {
    await setTimeout(10);
  }
  assert.ok(!gateway.errorLog.includes("secret"));
  assert.doesNotMatch(gateway.output, /secret|Warning/);
});
