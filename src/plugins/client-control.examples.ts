import { defineExamples, routeWith } from "./examples.ts";

export const examples = defineExamples({
  examples: [
    {
      title: "Small bodies only",
      text: "A longer body than `max_body_size` is refused, on this route.",
      resources: { "routes/1": routeWith({ "client-control": { max_body_size: 10 } }) },
      calls: [
        { path: "/anything/a", method: "POST", body: "ten bytes.", status: 200, node: { body: "ten bytes." } },
        { path: "/anything/a", method: "POST", body: "eleven byte", status: 413, node: null },
      ],
    },
  ],
  refused: [{ conf: { max_body_size: -1 }, field: "max_body_size", says: "expected -1 to be at least 0" }],
});
