import { defineExamples, routeWith } from "./examples.ts";

export const examples = defineExamples({
  examples: [
    {
      title: "Bodies of a form",
      text: "Values that the schema has a default for are filled in.",
      resources: {
        "routes/1": routeWith({
          "request-validation": {
            body_schema: {
              type: "object",
              required: ["name"],
              properties: {
                name: { type: "string", minLength: 1 },
                tags: { type: "array", items: { type: "string" }, uniqueItems: true },
                kind: { type: "string", enum: ["dog", "cat"], default: "dog" },
              },
            },
          },
        }),
      },
      calls: [
        {
          path: "/anything/a",
          body: '{"name":"Rex","kind":"cat"}',
          headers: ["Content-Type: application/json"],
          method: "POST",
          status: 200,
        },
        {
          path: "/anything/a",
          body: '{"name":"Rex"}',
          headers: ["Content-Type: application/json"],
          method: "POST",
          status: 200,
          node: { body: '{"name":"Rex","kind":"dog"}' },
        },
        {
          path: "/anything/a",
          body: '{"kind":"cat"}',
          headers: ["Content-Type: application/json"],
          method: "POST",
          status: 400,
          answer: '…property "name" is required…',
          node: null,
        },
        {
          path: "/anything/a",
          body: '{"name":"Rex","tags":["a","a"]}',
          headers: ["Content-Type: application/json"],
          method: "POST",
          status: 400,
        },
      ],
    },
    {
      title: "Headers, and a refusal of one's own",
      text: "Names of headers are in lower case; their values are texts.",
      resources: {
        "routes/1": routeWith({
          "request-validation": {
            header_schema: {
              type: "object",
              required: ["x-version"],
              properties: { "x-version": { enum: ["1", "2"] } },
            },
            rejected_code: 422,
            rejected_msg: "Which version?",
          },
        }),
      },
      calls: [
        { path: "/anything/a", headers: ["X-Version: 2"], status: 200 },
        { path: "/anything/a", headers: ["X-Version: 3"], status: 422, answer: "Which version?" },
      ],
    },
  ],
  refused: [
    { conf: {}, field: "body_schema", says: "object matches none of the required" },
    { conf: { body_schema: {}, rejected_code: 1000 }, field: "rejected_code", says: "expected 1000 to be at most 599" },
  ],
});
