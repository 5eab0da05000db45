import { defineExamples, routeWith } from "./examples.ts";

export const examples = defineExamples({
  examples: [
    {
      title: "Several requests in one",
      text: "A route with `public-api` opens the API. The requests are sent one after the other; `query` and `headers` beside `pipeline` are for all of them.",
      resources: {
        "routes/batch": { uri: "/apisix/batch-requests", plugins: { "public-api": {} } },
        "routes/1": routeWith({}, "/anything/*"),
        "routes/2": routeWith({}, "/status/*"),
      },
      calls: [
        {
          path: "/apisix/batch-requests",
          method: "POST",
          headers: ["Content-Type: application/json"],
          body: JSON.stringify({
            query: { user: "ann" },
            headers: { "X-Batch": "1" },
            timeout: 500,
            pipeline: [
              { method: "GET", path: "/anything/a" },
              { method: "POST", path: "/anything/b", body: "hello" },
              { path: "/status/503" },
            ],
          }),
          status: 200,
          answerHeaders: { "Content-Type": "application/json" },
          answer: '[{…"status":200…/anything/a?user=ann…"status":200…hello…"status":503…}]…',
        },
        {
          path: "/apisix/batch-requests",
          method: "POST",
          body: "{}",
          status: 400,
          answer: '{"error_msg":"…pipeline…"}\n',
        },
      ],
    },
  ],
  refused: [{ on: "plugin_metadata", conf: { max_body_size: 0 }, field: "max_body_size", says: "greater than 0" }],
});
