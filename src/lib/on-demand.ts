import { createRequire } from "node:module";

/** `.js` in what is built: `require` is not rewritten there. */
const extension = import.meta.filename.slice(-3);

/**
 * Loads a module of ours with its first use: each one costs a thread a millisecond of its start,
 * and many gateways never need it. `from` is the caller's `import.meta.url`, `path` the module's
 * without its extension. The module must not await at its top level.
 */
export function onDemand<Module>(from: string, path: string): () => Module {
  let loaded: Module | undefined;
  return () => (loaded ??= createRequire(from)(path + extension) as Module);
}
