import { defineExamples, routeWith } from "./examples.ts";

export const examples = defineExamples({
  examples: [
    {
      title: "A page for 404 and 502",
      text: "The pages stand in the plugin's metadata, the plugin itself in a global rule or on a route. Answers of nodes are never replaced.",
      resources: {
        "plugin_metadata/error-page": {
          enable: true,
          error_404: { body: "<h1>Not here</h1>", content_type: "text/html" },
          error_502: { body: '{"error":"try again"}', content_type: "application/json" },
        },
        "global_rules/1": { plugins: { "error-page": {} } },
        "routes/1": routeWith({}, "/status/*"),
        "routes/2": { uri: "/away", upstream: { type: "roundrobin", nodes: { "127.0.0.1:1": 1 } } },
      },
      calls: [
        { path: "/nowhere", status: 404, answerHeaders: { "Content-Type": "text/html…" }, answer: "<h1>Not here</h1>" },
        {
          path: "/away",
          status: 502,
          answerHeaders: { "Content-Type": "application/json" },
          answer: '{"error":"try again"}',
        },
        { note: "The node's own:", path: "/status/404", status: 404, answer: '{"method"…' },
      ],
    },
  ],
  refused: [
    { on: "plugin_metadata", conf: { enable: "yes" }, field: "enable", says: "wrong type" },
    { on: "plugin_metadata", conf: { error_404: { body: 1 } }, field: "body", says: "wrong type" },
  ],
});
