import { defineExamples, routeWith } from "./examples.ts";

export const examples = defineExamples({
  examples: [
    {
      title: "An entry for each request",
      text: "With `batch_max_size: 1` each entry is posted at once, as an object; otherwise batches are, as arrays. The format stands in the metadata for all routes, or on a route.",
      resources: {
        "plugin_metadata/http-logger": { log_format: { method: "$request_method", uri: "$request_uri" } },
        "routes/1": routeWith(
          { "http-logger": { uri: "http://127.0.0.1:8081/anything/logs", batch_max_size: 1, auth_header: "Bearer t" } },
          "/anything/a",
        ),
        "routes/2": routeWith(
          {
            "http-logger": {
              uri: "http://127.0.0.1:8081/anything/logs",
              batch_max_size: 1,
              log_format: { status: "$status", body: "$request_body" },
            },
          },
          "/anything/b",
        ),
      },
      calls: [
        {
          path: "/anything/a?x=1",
          status: 200,
          node: {
            port: 8081,
            request: "POST /anything/logs",
            headers: { Authorization: "Bearer t", "Content-Type": "application/json" },
            body: '{"method":"GET","uri":"/anything/a?x=1","route_id":"1"}',
          },
        },
        {
          path: "/anything/b",
          body: "hello",
          status: 200,
          node: { port: 8081, body: '{"body":"hello","status":200,"route_id":"2"}' },
        },
      ],
    },
  ],
  refused: [
    { conf: {}, field: "uri", says: 'property "uri" is required' },
    {
      conf: { uri: "http://127.0.0.1", batch_max_size: 0 },
      field: "batch_max_size",
      says: "expected 0 to be at least 1",
    },
    {
      conf: { uri: "http://127.0.0.1", concat_method: "xml" },
      field: "concat_method",
      says: "none of the enum values",
    },
    { on: "plugin_metadata", conf: { log_format: "x" }, field: "log_format", says: "expected object, got string" },
  ],
});
