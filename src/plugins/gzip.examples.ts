import { defineExamples, routeWith } from "./examples.ts";

export const examples = defineExamples({
  examples: [
    {
      title: "JSON and text, compressed",
      text: "`types` is `text/html` unless said otherwise.",
      resources: {
        "routes/1": routeWith({ gzip: { types: ["application/json"], min_length: 10, vary: true } }),
      },
      calls: [
        {
          path: "/anything/a",
          options: ["--compressed"],
          status: 200,
          answerHeaders: { "Content-Encoding": "gzip", Vary: "Accept-Encoding" },
          answer: '{"method":"GET","url":"/anything/a"…',
        },
        { path: "/anything/a", status: 200, answerHeaders: { "Content-Encoding": null } },
      ],
    },
  ],
  refused: [
    { conf: { comp_level: 10 }, field: "comp_level", says: "expected 10 to be at most 9" },
    { conf: { min_length: 0 }, field: "min_length", says: "expected 0 to be at least 1" },
  ],
});
