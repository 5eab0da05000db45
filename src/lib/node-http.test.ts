import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";

test("no thread loads undici with what it starts from", () => {
  const entries = ["supervisor/run", "control/control", "worker/data-plane"].map((entry) =>
    import.meta.resolve(`../${entry}.ts`),
  );
  const script = `
    await Promise.all(${JSON.stringify(entries)}.map((entry) => import(entry)));
    console.log(process.moduleLoadList.filter((name) => /undici|http2/.test(name)).join());`;
  const loaded = execFileSync(process.execPath, ["--input-type=module", "-e", script], { encoding: "utf8" });
  assert.equal(loaded.trim(), "");
});
