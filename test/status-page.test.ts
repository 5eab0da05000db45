import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import type { Browser, Page } from "playwright-core";
import { boardOf, reportOf, startFixture } from "../src/status/test-fixture.ts";
import { openPage, startBrowser, type WatchedPage } from "./support/browser.ts";
import { routeTo, startGateway } from "./support/gateway.ts";
import { startOrigin } from "./support/origin.ts";
import { freePort } from "./support/ports.ts";

// The status page as a browser shows it. Everything is waited for in the document.

/** What happens must be seen within a second; the rest is for a machine that is busy with other tests. */
const SEEN_MS = 90_000;

let browser: Browser;
before(async () => {
  browser = await startBrowser();
});
after(async () => await browser.close());

async function shows(page: Page, selector: string, text: string | RegExp): Promise<void> {
  await page.locator(selector).filter({ hasText: text }).first().waitFor({ timeout: SEEN_MS });
}

function assertClean({ complaints, foreign }: WatchedPage): void {
  assert.deepEqual(complaints, []);
  assert.deepEqual(foreign, []);
}

const axe = readFileSync(fileURLToPath(import.meta.resolve("axe-core/axe.min.js")), "utf8");

/** Violations of accessibility rules, a line each. */
async function violations(page: Page): Promise<readonly string[]> {
  // By the debugger, which the page's own policy does not concern.
  await page.evaluate(axe);
  return (await page.evaluate(`axe.run().then(({ violations }) => violations.map(({ id, nodes }) =>
    id + ": " + nodes.map(({ target, failureSummary }) => target + " " + failureSummary).join("; ")))`)) as string[];
}

test("a worker that is killed, a route that is rejected, a node that is drained: told in words, live", async (t) => {
  const origin = await startOrigin(t);
  const dead = `127.0.0.1:${await freePort()}`;
  const probe = { type: "tcp", healthy: { interval: 1 }, unhealthy: { interval: 1, tcp_failures: 1 } };
  const upstream = { type: "roundrobin", nodes: { [origin.node]: 1, [dead]: 1 }, checks: { active: probe } };
  const good = { id: "a", ...routeTo(origin.node, "/a"), upstream };
  const gateway = await startGateway(t, { workers: 2, faults: "on", standalone: { routes: [good] } });
  await gateway.until(200);
  const watched = await openPage(browser, gateway.statusUrl, { viewport: { width: 1440, height: 900 } });
  const { page, context } = watched;
  t.after(() => context.close());
  await page.goto(`${gateway.statusUrl}/`);
  await shows(page, "#verdict", "Ready");
  await shows(page, "#verdict-meaning", "All 2 workers serve revision 1.");
  await shows(page, "#connection", "Live");
  await shows(page, "#upstream-rows tr", new RegExp(`${dead}.*unhealthy`));
  await shows(page, "#timeline li", `Node ${dead} of routes/a is unhealthy`);
  assert.match(await page.title(), /^Ready · /);

  await gateway.fault(1, "crash");
  await shows(page, "#timeline li", "Worker 1 ended: uncaught Error");
  await shows(page, "#timeline li", "Not ready: worker count: 2 but status report count: 1");
  await shows(page, "#timeline li", "Worker 1 is started again (restart 1)");
  await shows(page, "#worker-rows tr:nth-child(2)", /running.*last \d+ s ago: uncaught Error/s);
  await shows(page, "#verdict", "Ready");

  gateway.writeStandalone({ routes: [{ ...good, uri: 7 }] });
  await shows(page, "#timeline li", /routes\/a is rejected: uri: .*; its previous version serves/);
  await shows(page, "#rejected li", /routes\/a.*uri: .*Its previous version serves instead/s);
  await shows(page, "#config-facts", "degraded: 1 resource rejected");
  gateway.writeStandalone("routes: {{{\n#END\n");
  await shows(page, "#config-facts", /Last failure.*Fails since .*apisix\.yaml/s);
  await shows(page, "#timeline li", /The configuration source fails: .*The last good configuration serves/);

  await gateway.control("/v1/drain");
  await shows(page, "#verdict", "Draining");
  await shows(page, "#banner", /^Draining for \d+ s: new traffic should go elsewhere/);
  await shows(page, "#announcer", /^Draining\. /);
  await shows(page, "#timeline li", "Draining: Control API");
  await gateway.control("/v1/undrain");
  await shows(page, "#verdict", "Ready");
  assert.equal(await page.locator("#banner").isHidden(), true);

  for (const [colorScheme, width] of [
    ["light", 390],
    ["dark", 1440],
  ] as const) {
    await page.emulateMedia({ colorScheme });
    await page.setViewportSize({ width, height: 900 });
    assert.deepEqual(await violations(page), [], `${colorScheme}, ${width} px`);
    const wider = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth");
    assert.equal(wider, 0, `nothing lies beside the screen at ${width} px`);
  }

  // What does not answer is not called ready any more, and comes back by itself.
  gateway.child.kill("SIGSTOP");
  await shows(page, "#verdict", "Unknown");
  await shows(page, "#verdict-meaning", "When it was last heard of, it was ready.");
  await shows(page, "#connection", "Stale, reconnecting");
  await shows(page, "#banner", /^The gateway does not answer\. What you see is from \d+ s ago/);
  assert.deepEqual(await violations(page), [], "stale");
  gateway.child.kill("SIGCONT");
  await shows(page, "#verdict", "Ready");
  await shows(page, "#connection", "Live");
  assertClean(watched);
});

test("a page that stays open does not grow, whatever happens", async (t) => {
  const fixture = await startFixture(t, boardOf(4, 1));
  fixture.report = reportOf(1, { changes: 1 });
  const watched = await openPage(browser, fixture.origin);
  const { page, context } = watched;
  t.after(() => context.close());
  await page.goto(fixture.origin);
  await shows(page, "#verdict", "Ready");
  const debug = await context.newCDPSession(page);
  await debug.send("Performance.enable");
  const nodes = async (): Promise<number> => {
    await debug.send("HeapProfiler.collectGarbage");
    const { metrics } = await debug.send("Performance.getMetrics");
    return metrics.find(({ name }) => name === "Nodes")?.value ?? NaN;
  };
  /** Three events each: more than a quiet hour has. */
  const happen = async (from: number): Promise<void> => {
    for (let i = from; i < from + 100; i++) {
      fixture.journal.add({ type: "reload", cause: `number ${i}` });
      const error = `wrong ${i}`;
      const rejected = { kind: "routes", id: `r${i}`, field: "", error, since: 1, revision: 1, serving: "nothing" };
      fixture.report = reportOf(1, { changes: 1, rejected: [{ ...rejected, serving: "nothing" }] });
      fixture.watch.refresh();
    }
    await shows(page, "#timeline li", `number ${from + 99}`);
    await shows(page, "#rejected li", `routes/r${from + 99}`);
  };
  await happen(0);
  await page.locator("#journal-more").click();
  await happen(100);
  assert.equal(await page.locator("#timeline li").count(), 256);
  const settled = await nodes();
  for (let round = 2; round < 8; round++) await happen(round * 100);
  assert.equal(await page.locator("#timeline li").count(), 256);
  const grown = (await nodes()) - settled;
  assert.ok(grown < 200, `${grown} more nodes than before (${settled})`);
  assertClean(watched);
});

test("the page's files: small, strict, and for those alone who may see details", async (t) => {
  const fixture = await startFixture(t, boardOf(1, 1));
  const watched = await openPage(browser, fixture.origin);
  t.after(() => watched.context.close());
  let bytes = 0;
  watched.page.on("response", async (response) => {
    if (!response.url().includes("/status/")) bytes += Number((await response.allHeaders())["content-length"]);
  });
  const answer = await watched.page.goto(fixture.origin);
  await shows(watched.page, "#verdict", "Ready");
  assert.match(answer?.headers()["content-security-policy"] ?? "", /^default-src 'none'; script-src 'self';/);
  assert.ok(bytes > 10_000 && bytes < 100_000, `${bytes} bytes`);
  assertClean(watched);
  const html = readFileSync(new URL("../src/status/page/index.html", import.meta.url), "utf8");
  assert.doesNotMatch(html, /\son\w+=|<style|style=|<script(?![^>]*src=)/);

  const page = new URL("../src/status/page/", import.meta.url);
  for (const name of readdirSync(page).filter((name) => name !== "tsconfig.json" && name !== "index.html")) {
    const served = await fetch(`${fixture.origin}/page/${name}`);
    assert.equal(await served.text(), readFileSync(new URL(name, page), "utf8"), name);
  }

  const stranger = await startFixture(t, boardOf(1, 1), { allowDetails: [] });
  for (const path of ["/", "/page/main.js", "/status/events?state"]) {
    const refused = await fetch(stranger.origin + path, { headers: { accept: "text/html" } });
    assert.equal(refused.status, 403, path);
  }
  const missing = await fetch(`${fixture.origin}/page/../readiness.ts`);
  assert.equal(missing.status, 404);
});
