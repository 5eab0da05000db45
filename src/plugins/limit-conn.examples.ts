import { defineExamples, routeWith } from "./examples.ts";

export const examples = defineExamples({
  examples: [
    {
      title: "So many requests at the same time",
      text: "One of each client may run. While it does, another is refused; afterwards the next may run.",
      resources: {
        "routes/1": routeWith(
          {
            "limit-conn": {
              conn: 1,
              burst: 0,
              default_conn_delay: 0.1,
              key_type: "var",
              key: "remote_addr",
              rejected_code: 429,
            },
          },
          "/delay/*",
        ),
      },
      calls: [
        {
          note: "The node takes half a second for its answer:",
          script: `curl http://127.0.0.1:9080/delay/0.5 > running & sleep 0.2
curl -i http://127.0.0.1:9080/delay/0; wait`,
          status: 429,
        },
        { path: "/delay/0", times: 2, status: 200 },
      ],
    },
    {
      title: "Several limits",
      text: "`rules` has limits with a key each; a rule whose variable is missing does not count.",
      resources: {
        "routes/1": routeWith(
          {
            "limit-conn": {
              default_conn_delay: 0.1,
              rejected_code: 429,
              rules: [
                { conn: 1, burst: 0, key: "${http_x_user}" },
                { conn: 10, burst: 0, key: "${remote_addr}" },
              ],
            },
          },
          "/delay/*",
        ),
      },
      calls: [{ path: "/delay/0", headers: ["X-User: ann"], times: 2, status: 200 }],
    },
  ],
  refused: [
    {
      conf: { conn: 1, burst: 0, default_conn_delay: 0, key: "remote_addr" },
      field: "default_conn_delay",
      says: "expected 0 to be greater than 0",
    },
    { conf: { conn: 0, burst: 0, default_conn_delay: 1, key: "remote_addr" }, field: "conn", says: "conn" },
  ],
});
