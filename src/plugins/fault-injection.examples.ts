import { defineExamples, routeWith } from "./examples.ts";

export const examples = defineExamples({
  examples: [
    {
      title: "A fault in place of an answer",
      text: "The node is not asked.",
      resources: {
        "routes/1": routeWith({
          "fault-injection": {
            abort: { http_status: 404, body: "no $arg_what here", headers: { "X-Fault": "yes" } },
          },
        }),
      },
      calls: [
        {
          path: "/anything/a?what=tea",
          status: 404,
          answerHeaders: { "X-Fault": "yes" },
          answer: "no tea here",
          node: null,
        },
      ],
    },
    {
      title: "For some requests only",
      text: "`vars` are conditions, `percentage` is a share of the requests. A delay is followed by the node's answer.",
      resources: {
        "routes/1": routeWith({
          "fault-injection": {
            abort: { http_status: 403, vars: [[["arg_name", "==", "jack"]]] },
            delay: { duration: 0.05, percentage: 100 },
          },
        }),
      },
      calls: [
        { path: "/anything/a?name=jack", status: 403 },
        { path: "/anything/a?name=rose", status: 200 },
      ],
    },
  ],
  refused: [
    { conf: { abort: { http_status: 100 } }, field: "http_status", says: "expected 100 to be at least 200" },
    { conf: { delay: {} }, field: "duration", says: 'property "duration" is required' },
  ],
});
