import { runCli } from "./program.ts";

/** Entry of `bin/turnpike`. */
process.exit(await runCli(process.argv));
