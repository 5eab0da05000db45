import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { BlockList } from "node:net";
import { compileAddresses } from "./cidr.ts";

const cases: readonly (readonly [entries: string[], address: string, expected: boolean])[] = [
  [["10.0.0.0/8"], "10.255.0.1", true],
  [["10.0.0.0/8"], "11.0.0.0", false],
  [["10.0.0.1/8"], "10.9.9.9", true],
  [["10.0.0.1/0"], "255.255.255.255", true],
  [["10.0.0.1/0"], "::1", false],
  [["192.168.1.1"], "192.168.1.1", true],
  [["192.168.1.1"], "192.168.1.11", false],
  [["172.16.0.0/12"], "172.31.255.255", true],
  [["172.16.0.0/12"], "172.32.0.1", false],
  [["128.0.0.0/1"], "200.1.1.1", true],
  [["2001:db8::/32"], "2001:db8::1", true],
  [["2001:db8::/32"], "2001:db9::1", false],
  [["::1"], "0:0:0:0:0:0:0:1", true],
  [["::"], "::", true],
  [["::/0"], "1.2.3.4", false],
  [["fe80::/10"], "fe80::1%eth0", true],
  [["FE80::A"], "fe80::a", true],
  // As APISIX, a mapped address is IPv6 and is not in the IPv4 range.
  [["10.0.0.0/8"], "::ffff:10.0.0.1", false],
  [["::ffff:10.0.0.0/104"], "::ffff:10.1.1.1", true],
  [["10.0.0.0/8", "::1"], "::1", true],
  [["10.0.0.0/8"], "garbage", false],
  [["10.0.0.0/8"], "10.1.2.3, 1.1.1.1", false],
  [["10.0.0.0/8"], "010.1.2.3", false],
  [["10.0.0.0/8"], "10.1.2", false],
  [["10.0.0.0/8"], "10.1.2.256", false],
  [["10.0.0.0/8"], "", false],
  [["::/0"], "1::2::3", false],
  [[], "1.2.3.4", false],
];

for (const [entries, address, expected] of cases) {
  test(`${address || "an empty address"} is ${expected ? "" : "not "}in [${entries.join(", ")}]`, () => {
    assert.equal(compileAddresses(entries).matches(address), expected);
  });
}

for (const entry of ["", "abc", "10.0.0.0/33", "10.0.0.300", "10.0.0.0/", "10.0.0.0/-1", "::/129", "1.2.3", "::1/x"]) {
  test(`"${entry}" is refused by name`, () => {
    assert.throws(() => compileAddresses(["10.0.0.1", entry]), { message: `invalid IP address or CIDR: ${entry}` });
  });
}

test("agrees with Node's own block list", () => {
  const v4 = fc.ipV4();
  const v6 = fc.ipV6();
  const family = fc.constantFrom("ipv4", "ipv6") as fc.Arbitrary<"ipv4" | "ipv6">;
  const asked = family.chain((name) =>
    fc.record({
      name: fc.constant(name),
      range: name === "ipv4" ? v4 : v6,
      prefix: fc.integer({ min: 0, max: name === "ipv4" ? 32 : 128 }),
      address: name === "ipv4" ? v4 : v6,
    }),
  );
  fc.assert(
    fc.property(asked, ({ name, range, prefix, address }) => {
      const list = new BlockList();
      list.addSubnet(range, prefix, name);
      const matcher = compileAddresses([`${range}/${prefix}`]);
      assert.equal(matcher.matches(address), list.check(address, name));
      assert.equal(matcher.matches(range), true);
    }),
    { numRuns: 3000 },
  );
});
