// Fills the compile cache in NODE_COMPILE_CACHE: run with the pinned Node after an installation,
// and as the user that the gateway will have, because Node keeps a cache for each.
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const root = new URL("..", import.meta.url);
const source = (path) => new URL(`src/${path}.ts`, root).href;

// The threads' entries refuse to run here, which is as good: they have been compiled.
await Promise.allSettled(["supervisor/run", "control/main", "worker/main"].map((entry) => import(source(entry))));
// Plugins are loaded when they are named; asking for all of them loads all.
const { knownPlugins } = await import(source("plugins/catalogue/index"));
for (const plugin of knownPlugins.values()) void plugin;
// What the command line compiles.
execFileSync(fileURLToPath(new URL("bin/turnpike", root)), ["version"], { stdio: "ignore" });
