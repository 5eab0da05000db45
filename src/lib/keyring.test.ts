import assert from "node:assert/strict";
import { createCipheriv } from "node:crypto";
import { test } from "node:test";
import * as fc from "fast-check";
import { times } from "../../test/support/extent.ts";
import { buildKeyring } from "./keyring.ts";

const defaults = ["qeddd145sfvddff3", "edd1c9f0985e76a2"];
const keyring = buildKeyring(defaults);

/** What APISIX 3.18 stores. */
const recorded: readonly (readonly [text: string, ciphertext: string])[] = [
  ["golden", "QStWcXKl6rz1RvB8hCaCkQ=="],
  ["other", "oGqws1sLCMBv+8WPkpSp0A=="],
  ["k", "tZ7iIxl59pM0W3CLbQZrbw=="],
  ["12345678901234567890123456789012", "f9pGB0Dt4gYNCLKiINPfVSviKjQs2zfkBCT4+XZ3mDABZkJTr0orzYRD5CptDKMc"],
  ["$secret://vault/1/jack/key", "KsQ/zEONkRkSmlgdK85trqBSztc1tzlhVbuCzNeFFVk="],
  ["$env://JILL", "4spefvc1MqxI0Z3UHQCvMA=="],
  ["$ENV://JILL", "9WJ/EgBTzwXTudJ8c7kKaQ=="],
];

test("ciphertext is APISIX's", () => {
  for (const [text, ciphertext] of recorded) {
    assert.equal(keyring.encrypt(text), ciphertext);
    assert.equal(keyring.decrypt(ciphertext), text);
  }
});

test("what is no ciphertext of the keyring is not decrypted", () => {
  const urlSafe = "oGqws1sLCMBv-8WPkpSp0A==";
  const plain = ["", "golden", "x".repeat(32), "a b=", "=", "QStWcXKl6rz1RvB8hCaCkQ===", urlSafe, "$env://A", "--- x"];
  for (const text of plain) assert.equal(keyring.decrypt(text), null, text);
  assert.equal(keyring.decrypt("QStWcXKl6rz1RvB8hCaCkQ"), "golden", "padding of base64 may be left out");
  assert.equal(buildKeyring(["0123456789abcdef"]).decrypt("QStWcXKl6rz1RvB8hCaCkQ=="), null);
});

test("a new first key encrypts, the old ones still decrypt", () => {
  const rotated = buildKeyring(["0123456789abcdef", ...defaults]);
  assert.notEqual(rotated.encrypt("golden"), keyring.encrypt("golden"));
  for (const [text, ciphertext] of recorded) assert.equal(rotated.decrypt(ciphertext), text);
});

test("a key that fits by its padding alone is passed over", () => {
  // About one text in 256 has a padding that is right by chance under a wrong key.
  const old = buildKeyring(["edd1c9f0985e76a2"]);
  for (let count = 0; count < 2_000; count++) {
    const text = `secret number ${count}`;
    assert.equal(keyring.decrypt(old.encrypt(text)), text);
  }
});

test("bytes that are no text are not made one", () => {
  const key = Buffer.from("qeddd145sfvddff3");
  const cipher = createCipheriv("aes-128-cbc", key, key);
  const binary = cipher.update(Buffer.from([0xff, 0xfe, 0x00]), undefined, "base64") + cipher.final("base64");
  assert.equal(keyring.decrypt(binary), null);
});

test("decrypt(encrypt(x)) is x for every text", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 50 }), (text) => {
      assert.equal(keyring.decrypt(keyring.encrypt(text)), text);
    }),
    { numRuns: times(100, 25) },
  );
  assert.equal(keyring.encrypt("\ud800"), "\ud800", "half a surrogate pair has no UTF-8; it is left as it is");
});

test("keys have 16 bytes; without any nothing is encrypted", () => {
  assert.throws(() => buildKeyring(["0123456789abcdef", "short-secret"]), /key 2 of the keyring has 12 bytes, not 16/);
  assert.throws(() => buildKeyring(["0123456789abcdé€"]), /has 19 bytes/);
  const empty = buildKeyring([]);
  assert.equal(empty.encrypt("golden"), "golden");
  assert.equal(empty.decrypt("QStWcXKl6rz1RvB8hCaCkQ=="), null);
});
