import { defineExamples, routeWith } from "./examples.ts";

export const examples = defineExamples({
  examples: [
    {
      title: "An answer for some, a limit for others",
      text: "The first rule whose conditions hold decides; what none of them is for goes on.",
      resources: {
        "routes/1": routeWith({
          workflow: {
            rules: [
              { case: [["uri", "==", "/anything/rejected"]], actions: [["return", { code: 403 }]] },
              {
                case: [
                  ["arg_user", "==", "ann"],
                  ["request_method", "in", ["GET", "HEAD"]],
                ],
                actions: [["limit-count", { count: 1, time_window: 60, rejected_code: 429 }]],
              },
            ],
          },
        }),
      },
      calls: [
        { path: "/anything/rejected", status: 403, answer: '{"error_msg":"rejected by workflow"}\n', node: null },
        { path: "/anything/a?user=ann", status: 200 },
        { path: "/anything/a?user=ann", status: 429 },
        { path: "/anything/a", times: 2, status: 200 },
      ],
    },
  ],
  refused: [
    { conf: {}, field: "rules", says: 'property "rules" is required' },
    { conf: { rules: [{ actions: [["return", { code: 42 }]] }] }, field: "code", says: "code" },
  ],
});
