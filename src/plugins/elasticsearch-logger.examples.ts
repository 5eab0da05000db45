import { defineExamples, routeWith } from "./examples.ts";

export const examples = defineExamples({
  examples: [
    {
      title: "Entries put into an index",
      text: "A batch is one request to the bulk API. In this example the second node plays Elasticsearch.",
      resources: {
        "routes/1": routeWith({
          "elasticsearch-logger": {
            endpoint_addrs: ["http://127.0.0.1:8081"],
            field: { index: "gateway" },
            auth: { username: "elastic", password: "123456" },
            log_format: { path: "$uri" },
            batch_max_size: 1,
          },
        }),
      },
      calls: [
        {
          path: "/anything/a",
          status: 200,
          node: {
            port: 8081,
            request: "POST /_bulk",
            headers: { authorization: "Basic ZWxhc3RpYzoxMjM0NTY=" },
            body: '{"index":{"_index":"gateway"}}\n{"path":"/anything/a"…}\n',
          },
        },
      ],
    },
  ],
  refused: [
    { conf: { endpoint_addrs: ["http://a"], field: {} }, field: "index", says: 'property "index" is required' },
    {
      conf: { endpoint_addrs: ["http://a"], field: { index: "a" }, timeout: 0 },
      field: "timeout",
      says: "expected 0 to be at least 1",
    },
  ],
});
