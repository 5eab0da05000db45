import { fileURLToPath } from "node:url";

/** Environment of a gateway that keeps no garbage, so that its size tells what it holds. */
export const collectingGarbage = {
  NODE_OPTIONS: `--require ${fileURLToPath(new URL("./collect-garbage.cjs", import.meta.url))}`,
} as const;
