import { defineExamples, routeWith } from "./examples.ts";

export const examples = defineExamples({
  examples: [
    {
      title: "A header of the answer",
      text: "In `header_filter` functions see the answer's head.",
      resources: {
        "routes/1": routeWith({
          "serverless-post-function": {
            phase: "header_filter",
            functions: [
              `function (conf, ctx) {
  ctx.response.setHeader("X-Kind", String(ctx.response.header("content-type")).split("/")[1]);
}`,
            ],
          },
        }),
      },
      calls: [{ path: "/anything/a", status: 200, answerHeaders: { "X-Kind": "json" } }],
    },
  ],
  refused: [
    { conf: {}, field: "functions", says: 'property "functions" is required' },
    { conf: { functions: [] }, field: "functions", says: "expect array to have at least 1 items" },
  ],
});
