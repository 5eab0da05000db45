import { defineExamples, routeWith } from "./examples.ts";

export const examples = defineExamples({
  examples: [
    {
      title: "Entries posted to a server",
      text: "`log_format` says what an entry holds; a value that is a variable as a whole stands for what it yields. With `batch_max_size: 1` each entry goes at once.",
      resources: {
        "routes/1": routeWith({
          "http-logger": {
            uri: "http://127.0.0.1:8081/logs",
            batch_max_size: 1,
            log_format: { client_ip: "$remote_addr", host: "$host", status: "$status" },
          },
        }),
      },
      calls: [
        {
          path: "/anything/a",
          headers: ["Host: shop.example"],
          status: 200,
          node: {
            port: 8081,
            request: "POST /logs",
            body: '{"client_ip":"127.0.0.1","host":"shop.example","status":200,"route_id":"1"}',
          },
        },
      ],
    },
    {
      title: "A format for all routes, and lines instead of JSON arrays",
      text: "The format of the metadata counts where the route has none of its own.",
      resources: {
        "plugin_metadata/http-logger": { log_format: { path: "$uri" } },
        "routes/1": routeWith({
          "http-logger": {
            uri: "http://127.0.0.1:8081/logs",
            auth_header: "Bearer a-token",
            batch_max_size: 1,
            concat_method: "new_line",
          },
        }),
      },
      calls: [
        {
          path: "/anything/b",
          status: 200,
          node: {
            port: 8081,
            headers: { authorization: "Bearer a-token", "Content-Type": "text/plain" },
            body: '{"path":"/anything/b","route_id":"1"}',
          },
        },
      ],
    },
  ],
  refused: [
    { conf: {}, field: "uri", says: 'property "uri" is required' },
    { conf: { uri: "http://a", batch_max_size: 0 }, field: "batch_max_size", says: "expected 0 to be at least 1" },
  ],
});
