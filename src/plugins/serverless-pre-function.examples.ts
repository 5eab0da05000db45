import { defineExamples, routeWith } from "./examples.ts";

export const examples = defineExamples({
  examples: [
    {
      title: "A header before anything else, and a redirect",
      text: "A function that returns a status, or a status and a body, answers the request.",
      resources: {
        "routes/1": routeWith({
          "serverless-pre-function": {
            phase: "rewrite",
            functions: [
              `function (conf, ctx) { ctx.request.setHeader("X-Path", ctx.vars.uri); }`,
              `function (conf, ctx) {
  if (ctx.vars.arg_secret === undefined) return [401, { message: "which secret?" }];
}`,
            ],
          },
        }),
      },
      calls: [
        { path: "/anything/a?secret=x", status: 200, node: { headers: { "X-Path": "/anything/a" } } },
        { path: "/anything/a", status: 401, answer: '{"message":"which secret?"}…', node: null },
      ],
    },
  ],
  refused: [
    { conf: { phase: "rewrite" }, field: "functions", says: 'property "functions" is required' },
    {
      conf: { phase: "sometime", functions: ["function () {}"] },
      field: "phase",
      says: "matches none of the enum values",
    },
  ],
});
