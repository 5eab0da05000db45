import { readFileSync } from "node:fs";
import { errorAnswer, type Answer } from "./answers.ts";

/**
 * The status page's files, as they lie in `page/`. They are read when the first browser
 * asks, and kept; they are the same for everybody and hold nothing of this gateway.
 */

/** Where the files besides the page itself are found. Relative in the page, so that a proxy may put a path before it. */
export const PAGE_FILES = "/page/";

const types = {
  html: "text/html; charset=utf-8",
  css: "text/css; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  svg: "image/svg+xml",
} as const;

const names = [
  "index.html",
  "page.css",
  "icon-ready.svg",
  "icon-unready.svg",
  "icon-unknown.svg",
  "main.js",
  "connection.js",
  "dom.js",
  "format.js",
  "sparkline.js",
  "readiness-view.js",
  "workers-view.js",
  "config-view.js",
  "nodes-view.js",
  "journal-view.js",
] as const;

/** Nothing is loaded from elsewhere, nothing inline runs, nobody frames the page. */
const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join("; ");

const paths: ReadonlyMap<string, string> = new Map(
  names.map((name) => [name === "index.html" ? "/" : PAGE_FILES + name, name]),
);
const answers = new Map<string, Answer>();

/** The answer to a request for the page or one of its files; `null`: there is no such file. */
export function pageAnswer(path: string): Answer | null {
  const name = paths.get(path);
  if (name === undefined) return null;
  let answer = answers.get(name);
  if (answer === undefined) answers.set(name, (answer = readPageFile(name)));
  return answer;
}

function readPageFile(name: string): Answer {
  let body: Buffer;
  try {
    body = readFileSync(new URL(`./page/${name}`, import.meta.url));
  } catch (error) {
    return errorAnswer(500, `the page is not installed: ${(error as NodeJS.ErrnoException).code}`);
  }
  const headers = [
    ["Content-Type", types[name.slice(name.lastIndexOf(".") + 1) as keyof typeof types]],
    ["Content-Security-Policy", policy],
    ["X-Content-Type-Options", "nosniff"],
    ["Referrer-Policy", "no-referrer"],
    ["Cross-Origin-Resource-Policy", "same-origin"],
    ["Cache-Control", "no-store"],
    ["Content-Length", String(body.length)],
  ];
  return { status: 200, headers: headers.flat(), body };
}
