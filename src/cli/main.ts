import { prepareThreads } from "../supervisor/thread-entries.ts";

/** Entry of `bin/turnpike`. */
const streams = [process.stdout, process.stderr];
// Nobody reads any more (`turnpike export | head`): what is left is for nobody.
for (const stream of streams) stream.on("error", () => undefined);
// Before everything else, the command line included.
if (process.argv[2] === "start") prepareThreads();
const { runCli } = await import("./program.ts");
const code = await runCli(process.argv);
// What does not fit into a pipe is written later, and the end would cut it off.
await Promise.all(streams.map((stream) => new Promise<void>((resolve) => stream.write("", () => resolve()))));
process.exit(code);
