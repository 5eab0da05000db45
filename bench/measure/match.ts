import { PROXY_CORE, run } from "../harness/processes.ts";
import type { Measurement } from "../harness/stage.ts";
import type { Table } from "../harness/table.ts";
import { node, root } from "../harness/tools.ts";

/** The router alone, in a process of its own: building, memory, one match, one change. */
export const match: Measurement = {
  name: "match",
  tools: [],
  async run() {
    const text = await run(PROXY_CORE, [node, "--expose-gc", `${root}bench/programs/router.ts`, "--json"]);
    return { tables: [JSON.parse(text) as Table] };
  },
};
