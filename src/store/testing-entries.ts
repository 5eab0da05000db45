import * as fc from "fast-check";
import { certificate, privateKey } from "../../test/support/certificate.ts";
import { keyOf } from "../source/keyed-layout.ts";
import type { KeyedEntry } from "../source/source.ts";
import { nodes } from "./testing.ts";

/** Few ids and fields, so that steps overlap, collide, dangle and break. */
const id = fc.constantFrom("1", "2", "3");
const maybe = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(arbitrary, { nil: undefined, freq: 2 });
const text = (value: unknown): string => JSON.stringify(value);
const broken = fc.constantFrom("", "{", "[]", "7", "null", text({ nonsense: true }));

function entriesOf(kind: Parameters<typeof keyOf>[0], ids: fc.Arbitrary<string>, fields: fc.Arbitrary<object>) {
  const value = fc.oneof({ weight: 6, arbitrary: fields.map(text) }, { weight: 1, arbitrary: broken });
  const stored = fc.option(value, { nil: null, freq: 3 });
  return fc.record({ key: ids.map((one) => keyOf(kind, one)), text: stored });
}

const pair = { cert: certificate, key: privateKey };
const user = fc.constantFrom("a", "b", "c");
const keyAuth = fc.record({ "key-auth": fc.record({ key: fc.constantFrom("k1", "k2", "k!") }) });
/** What one key holds from now on; `null`: nothing. */
export const entries: fc.Arbitrary<KeyedEntry> = fc.oneof(
  entriesOf(
    "routes",
    id,
    fc.record({ uri: fc.constantFrom("/a", "/b"), service_id: maybe(id), upstream_id: maybe(id) }),
  ),
  entriesOf("services", id, fc.record({ upstream_id: maybe(id) })),
  entriesOf("upstreams", id, fc.constantFrom({ nodes }, { nodes: { "a:1": 2 } }, {})),
  fc.oneof(
    entriesOf(
      "upstreams",
      id,
      fc.record({ client_cert_id: id }).map((tls) => ({ nodes, tls })),
    ),
    entriesOf("ssls", id, fc.constantFrom({ ...pair, type: "client" }, { ...pair, sni: "a.test" })),
  ),
  entriesOf("global_rules", id, fc.constantFrom({ plugins: { fragile: {} } }, { plugins: { "key-auth": {} } })),
  fc.oneof(
    user.chain((username) =>
      entriesOf(
        "consumers",
        fc.constant(username),
        fc.record({ plugins: maybe(keyAuth) }).map((f) => ({ ...f, username })),
      ),
    ),
    entriesOf(
      "credentials",
      user.map((username) => `${username}/credentials/1`),
      fc.record({ plugins: keyAuth }),
    ),
  ),
);
