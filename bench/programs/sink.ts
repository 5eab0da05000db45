// An origin that reads request bodies: `/` as fast as it can, `/slow` at 1 MB/s; then
// it answers with the number of bytes.
//   node bench/programs/sink.ts PORT
import { createServer } from "node:http";
import { setTimeout } from "node:timers/promises";

const SLOW_BYTES_PER_MS = 1_000;

const server = createServer(async (request, response) => {
  let bytes = 0;
  try {
    for await (const chunk of request) {
      bytes += (chunk as Buffer).length;
      if (request.url === "/slow") await setTimeout((chunk as Buffer).length / SLOW_BYTES_PER_MS);
    }
  } catch {
    // The client went away, which is how a slow upload is ended.
    return;
  }
  response.end(String(bytes));
});
server.requestTimeout = 0;
server.listen(Number(process.argv[2]), "127.0.0.1");
process.on("SIGTERM", () => process.exit(0));
