import { defineExamples, routeWith } from "./examples.ts";

export const examples = defineExamples({
  examples: [
    {
      title: "An id for every request",
      text: "The node and the client get it. One that the client sends is kept.",
      resources: { "routes/1": routeWith({ "request-id": {} }) },
      calls: [
        {
          path: "/anything/a",
          status: 200,
          answerHeaders: { "X-Request-Id": "…-…-4…-…-…" },
          node: { headers: { "X-Request-Id": "…-…-4…-…-…" } },
        },
        {
          path: "/anything/a",
          headers: ["X-Request-Id: mine"],
          status: 200,
          answerHeaders: { "X-Request-Id": "mine" },
        },
      ],
    },
    {
      title: "Ids of another kind, for the node only",
      text: "Letters and digits of one's own choice.",
      resources: {
        "routes/1": routeWith({
          "request-id": {
            algorithm: "range_id",
            range_id: { char_set: "aaaaaa", length: 6 },
            header_name: "X-Trace",
            include_in_response: false,
          },
        }),
      },
      calls: [
        {
          path: "/anything/a",
          status: 200,
          answerHeaders: { "X-Trace": null },
          node: { headers: { "X-Trace": "aaaaaa" } },
        },
      ],
    },
  ],
  refused: [
    { conf: { algorithm: "dice" }, field: "algorithm", says: "matches none of the enum values" },
    { conf: { range_id: { length: 5 } }, field: "length", says: "expected 5 to be at least 6" },
  ],
});
