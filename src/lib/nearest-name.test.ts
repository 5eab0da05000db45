import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { nearestName } from "./nearest-name.ts";

const keys = ["node_listen", "enable_admin", "enable_ipv6", "status", "ip", "port", "router", "access_log"];

test("the nearest name is suggested, a far one is not", () => {
  assert.equal(nearestName("node_lisen", keys), "node_listen");
  assert.equal(nearestName("node-listen", keys), "node_listen");
  assert.equal(nearestName("Enable_IPv6", keys), "enable_ipv6");
  assert.equal(nearestName("enable_admni", keys), "enable_admin");
  assert.equal(nearestName("stauts", keys), "status");
  assert.equal(nearestName("prot", keys), "port");
  assert.equal(nearestName("pi", keys), "ip");
  assert.equal(nearestName("access_logs", keys), "access_log");
  assert.equal(nearestName("certificate", keys), null);
  assert.equal(nearestName("x", keys), null);
  assert.equal(nearestName("", keys), null);
  assert.equal(nearestName("status", []), null);
});

test("a name with one letter left out still finds itself", () => {
  const long = fc.constantFrom(...keys.filter((key) => key.length > 3));
  fc.assert(
    fc.property(long, fc.nat(30), (key, at) => {
      const position = at % key.length;
      assert.equal(nearestName(key.slice(0, position) + key.slice(position + 1), keys), key);
    }),
  );
});
