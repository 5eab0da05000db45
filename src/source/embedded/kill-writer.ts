import { writeSync } from "node:fs";
import { createEmbeddedStore } from "./embedded-store.ts";

/**
 * The program that the kill test kills: writes to the store in `argv[2]` as fast as it
 * can, `argv[3]` being the first number to write. It prints `? key number` before each
 * write and `! key number revision` once that is acknowledged, a number of 0 being a
 * deletion.
 */

const [, , file = "", first = "1"] = process.argv;
const store = createEmbeddedStore(file);
store.open();
const filling = "x".repeat(700);
writeSync(1, "open\n");

for (let number = Number(first); ; number += 8) {
  await Promise.all(Array.from({ length: 1 + (number % 8) }, (_, i) => write(number + i)));
}

async function write(number: number): Promise<void> {
  const key = `routes/${(number * 7) % 40}`;
  const deletes = number % 11 === 0;
  writeSync(1, `? ${key} ${deletes ? 0 : number}\n`);
  const outcome = await (deletes ? store.delete(key) : store.put(key, JSON.stringify({ number, filling })));
  if (outcome.written) writeSync(1, `! ${key} ${deletes ? 0 : number} ${outcome.revision}\n`);
}
