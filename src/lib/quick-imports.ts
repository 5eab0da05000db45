import { registerHooks } from "node:module";

/**
 * Loaded by `bin/turnpike` before everything else, in each thread: says where an import of one of
 * our sources by another leads, which is where it says. Node would look for the file, for links
 * on the way and for a package.json, several hundred times in each thread at each start.
 */
const sources = new URL("..", import.meta.url).href;

registerHooks({
  resolve(specifier, context, next) {
    const ours = specifier.startsWith(".") && specifier.endsWith(".ts") && context.parentURL?.startsWith(sources);
    if (ours !== true) return next(specifier, context);
    return { url: new URL(specifier, context.parentURL).href, format: "module-typescript", shortCircuit: true };
  },
});
