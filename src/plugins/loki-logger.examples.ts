import { defineExamples, routeWith } from "./examples.ts";

export const examples = defineExamples({
  examples: [
    {
      title: "Entries pushed to Loki",
      text: "A batch is one stream with `log_labels`. In this example the second node plays Loki.",
      resources: {
        "routes/1": routeWith({
          "loki-logger": {
            endpoint_addrs: ["http://127.0.0.1:8081"],
            tenant_id: "shop",
            log_labels: { job: "turnpike", status: "$status" },
            log_format: { path: "$uri" },
            batch_max_size: 1,
          },
        }),
      },
      calls: [
        {
          path: "/anything/a",
          status: 200,
          node: { port: 8081, request: "POST /loki/api/v1/push", headers: { "X-Scope-OrgID": "shop" } },
        },
      ],
    },
  ],
  refused: [
    { conf: {}, field: "endpoint_addrs", says: 'property "endpoint_addrs" is required' },
    {
      conf: { endpoint_addrs: ["http://a"], timeout: 0 },
      field: "timeout",
      says: "expected 0 to be at least 1",
    },
  ],
});
