import { existsSync } from "node:fs";
import { type Browser, type BrowserContext, type BrowserContextOptions, chromium, type Page } from "playwright-core";

/** Debian's Chromium, which `scripts/setup.mjs --test` installs. */
function executable(): string {
  const found = (process.env.PATH ?? "").split(":").find((dir) => existsSync(`${dir}/chromium`));
  if (found === undefined) throw new Error("chromium is missing (Debian: apt-get install chromium)");
  return `${found}/chromium`;
}

/** Starts a headless Chromium; the caller closes it. One is enough for a whole file. */
export async function startBrowser(args: readonly string[] = []): Promise<Browser> {
  // The sandbox does not run as root, and a small /dev/shm is usual in containers.
  return await chromium.launch({
    executablePath: executable(),
    args: ["--no-sandbox", "--disable-dev-shm-usage", "--disable-background-networking", ...args],
  });
}

/** A page that remembers what it should not have done. */
export interface WatchedPage {
  readonly page: Page;
  readonly context: BrowserContext;
  /** Errors and warnings on the console, and errors that nothing caught. */
  readonly complaints: string[];
  /** URLs that were asked for on other origins than the one given. */
  readonly foreign: string[];
  /** URLs that were asked for on this one. */
  readonly own: string[];
}

/** Opens an empty page; what it asks for is held against `origin`. */
export async function openPage(
  browser: Browser,
  origin: string,
  options: BrowserContextOptions = {},
): Promise<WatchedPage> {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  const watched: WatchedPage = { page, context, complaints: [], foreign: [], own: [] };
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") watched.complaints.push(message.text());
  });
  page.on("pageerror", (error) => watched.complaints.push(String(error)));
  page.on("request", (request) => {
    const url = request.url();
    (new URL(url).origin === origin ? watched.own : watched.foreign).push(url);
  });
  return watched;
}
