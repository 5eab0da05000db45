// The data path alone, without configuration: for profiles of it.
//   node --cpu-prof bench/data-path.ts PORT ORIGIN_PORT
import { engineOf, planFor, settingsWith, upstreamOf } from "../src/worker/fixtures.ts";
import { createHttpServer } from "../src/worker/http-server.ts";
import { Board } from "../src/board/board.ts";

const [port, origin] = process.argv.slice(2).map(Number);
const plan = planFor(upstreamOf([origin!], { keepaliveRequests: 0 }));
const server = createHttpServer({
  settings: settingsWith({ keepaliveRequests: 0 }),
  engine: engineOf(() => plan),
  record: new Board().record(0),
  slot: 0,
  accessLog: null,
  log: console,
});
await server.listen([{ ip: "127.0.0.1", port: port! }]);
process.on("SIGTERM", () => {
  server.close();
  process.exit(0);
});
