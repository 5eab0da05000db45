import { defineExamples, routeWith } from "./examples.ts";

export const examples = defineExamples({
  examples: [
    {
      title: "A trace that goes on",
      text: "The node gets a `traceparent` that names the gateway's span. Spans go to a collector of OpenTelemetry (OTLP over HTTP).",
      resources: {
        "plugin_metadata/opentelemetry": {
          collector: { address: "127.0.0.1:8081" },
          batch_span_processor: { max_export_batch_size: 1 },
        },
        "routes/1": routeWith({ opentelemetry: { sampler: { name: "always_on" } } }),
      },
      calls: [
        {
          path: "/anything/a",
          headers: ["traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"],
          status: 200,
          node: { headers: { traceparent: "00-0af7651916cd43dd8448eb211c80319c-…-01" } },
        },
        {
          note: "What the collector gets:",
          path: "/anything/a",
          status: 200,
          node: { port: 8081, request: "POST /v1/traces", headers: { "Content-Type": "application/x-protobuf" } },
        },
      ],
    },
  ],
  refused: [
    { conf: { sampler: { name: "sometimes" } }, field: "name", says: "none of the enum values" },
    { conf: { additional_attributes: [""] }, field: "additional_attributes", says: "string too short" },
  ],
});
