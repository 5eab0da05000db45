import { defineExamples, routeWith } from "./examples.ts";

export const examples = defineExamples({
  examples: [
    {
      title: "Text around and instead of the answer",
      text: "The node is asked all the same.",
      resources: {
        "routes/1": routeWith({
          echo: { before_body: "before ", body: "body", after_body: " after", headers: { "X-Echo": "yes" } },
        }),
      },
      calls: [
        {
          path: "/anything/a",
          status: 200,
          answerHeaders: { "X-Echo": "yes" },
          answer: "before body after",
          node: { request: "GET /anything/a" },
        },
      ],
    },
  ],
  refused: [{ conf: { body: 1 }, field: "body", says: "wrong type" }],
});
