import { defineExamples, routeWith } from "./examples.ts";

export const examples = defineExamples({
  examples: [
    {
      title: "A node that keeps failing is left alone",
      text: "After three answers with 500 or 503 the node is not asked for two seconds; every further break is twice as long.",
      resources: {
        "routes/1": routeWith(
          {
            "api-breaker": {
              break_response_code: 502,
              break_response_body: "come back later",
              break_response_headers: [{ key: "Retry-After", value: "2" }],
              unhealthy: { http_statuses: [500, 503], failures: 3 },
              healthy: { http_statuses: [200], successes: 1 },
            },
          },
          "/status/*",
        ),
      },
      calls: [
        { path: "/status/500", times: 3, status: 500, node: { request: "GET /status/500" } },
        {
          path: "/status/500",
          status: 502,
          answerHeaders: { "Retry-After": "2" },
          answer: "come back later",
          node: null,
        },
        { note: "It counts by host and path:", path: "/status/200", status: 200 },
      ],
    },
  ],
  refused: [
    { conf: {}, field: "break_response_code", says: 'property "break_response_code" is required' },
    {
      conf: { break_response_code: 503, max_breaker_sec: 1 },
      field: "max_breaker_sec",
      says: "expected 1 to be at least 3",
    },
  ],
});
