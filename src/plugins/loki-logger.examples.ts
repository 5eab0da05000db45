import { defineExamples, routeWith } from "./examples.ts";

export const examples = defineExamples({
  examples: [
    {
      title: "Streams with labels",
      text: "Entries with the same labels are one stream.",
      resources: {
        "routes/1": routeWith({
          "loki-logger": {
            endpoint_addrs: ["http://127.0.0.1:8081"],
            log_labels: { job: "gateway", method: "$request_method" },
            log_format: { uri: "$request_uri" },
            batch_max_size: 1,
          },
        }),
      },
      calls: [
        {
          path: "/anything/a",
          status: 200,
          node: { port: 8081, request: "POST /loki/api/v1/push", headers: { "X-Scope-OrgID": "fake" } },
        },
      ],
    },
  ],
  refused: [
    { conf: {}, field: "endpoint_addrs", says: 'property "endpoint_addrs" is required' },
    {
      conf: { endpoint_addrs: ["http://127.0.0.1"], timeout: 0 },
      field: "timeout",
      says: "expected 0 to be at least 1",
    },
  ],
});
