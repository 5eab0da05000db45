import { defineExamples, routeWith } from "./examples.ts";

export const examples = defineExamples({
  examples: [
    {
      title: "Traces of all requests",
      text: "The node goes on with the trace. Spans are posted when none came for a second.",
      resources: {
        "routes/1": routeWith({ zipkin: { endpoint: "http://127.0.0.1:8081/anything/spans", sample_ratio: 1 } }),
      },
      calls: [
        { path: "/anything/a", status: 200, node: { headers: { "X-B3-TraceId": "…", "X-B3-Sampled": "1" } } },
        {
          note: "A trace that began before, and what was decided about it:",
          path: "/anything/a",
          headers: ["b3: 0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0"],
          status: 200,
          node: { headers: { "X-B3-TraceId": "0af7651916cd43dd8448eb211c80319c", "X-B3-Sampled": "0" } },
        },
      ],
    },
  ],
  refused: [
    { conf: { endpoint: "http://127.0.0.1:9411/api/v2/spans" }, field: "sample_ratio", says: "is required" },
    {
      conf: { endpoint: "http://127.0.0.1", sample_ratio: 2 },
      field: "sample_ratio",
      says: "expected 2 to be at most 1",
    },
  ],
});
