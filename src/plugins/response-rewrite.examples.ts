import { defineExamples, routeWith } from "./examples.ts";

export const examples = defineExamples({
  examples: [
    {
      title: "Another status, body and headers",
      text: "The node's answer is replaced.",
      resources: {
        "routes/1": routeWith({
          "response-rewrite": {
            status_code: 201,
            body: '{"code":"ok","message":"new body"}',
            headers: { set: { "X-Server-Id": "3", "X-Node": "$upstream_addr" }, remove: ["X-Old"] },
          },
        }),
      },
      calls: [
        {
          path: "/anything/a",
          status: 201,
          answerHeaders: { "X-Server-Id": "3", "X-Node": "127.0.0.1:8080" },
          answer: '{"code":"ok","message":"new body"}',
          node: { request: "GET /anything/a" },
        },
      ],
    },
    {
      title: "Replacements in the body",
      text: "`filters` are regular expressions, one after the other.",
      resources: {
        "routes/1": routeWith({
          "response-rewrite": {
            filters: [
              { regex: "anything", scope: "global", replace: "everything" },
              { regex: '"method":"(\\w+)"', replace: '"verb":"$1"' },
            ],
          },
        }),
      },
      calls: [{ path: "/anything/anything", status: 200, answer: '…"verb":"GET"…/everything/everything…' }],
    },
    {
      title: "Some answers only",
      text: "Only errors of the node are replaced.",
      resources: {
        "routes/1": routeWith(
          { "response-rewrite": { vars: [["status", ">=", 500]], status_code: 503, body: "not today" } },
          "/status/*",
        ),
      },
      calls: [
        { path: "/status/500", status: 503, answer: "not today" },
        { path: "/status/404", status: 404 },
      ],
    },
  ],
  refused: [
    { conf: { status_code: 99 }, field: "status_code", says: "expected 99 to be at least 200" },
    { conf: { filters: [{ regex: "a" }] }, field: "replace", says: 'property "replace" is required' },
  ],
});
