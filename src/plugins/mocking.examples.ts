import { defineExamples, routeWith } from "./examples.ts";

export const examples = defineExamples({
  examples: [
    {
      title: "An example for an answer",
      text: "For clients that are written before the service is. The example may hold variables.",
      resources: {
        "routes/1": routeWith({
          mocking: {
            response_status: 201,
            response_example: '{"name":"$arg_name"}',
            content_type: "application/json",
            response_headers: { "X-Total": "1" },
          },
        }),
      },
      calls: [
        {
          path: "/anything/a?name=Lei",
          status: 201,
          answerHeaders: { "Content-Type": "application/json", "X-Total": "1", "x-mock-by": "…" },
          answer: '{"name":"Lei"}',
          node: null,
        },
      ],
    },
    {
      title: "Data that fits a schema",
      text: "Values are made up, but for those that `example` gives.",
      resources: {
        "routes/1": routeWith({
          mocking: {
            with_mock_header: false,
            response_schema: {
              type: "object",
              properties: { id: { type: "integer", example: 7 }, name: { type: "string", example: "Lei" } },
            },
          },
        }),
      },
      calls: [
        {
          path: "/anything/a",
          status: 200,
          answerHeaders: { "x-mock-by": null },
          answer: '{"id":7,"name":"Lei"}',
        },
      ],
    },
  ],
  refused: [
    { conf: {}, field: "response_example", says: "object matches none of the required" },
    {
      conf: { response_example: "a", response_status: 99 },
      field: "response_status",
      says: "expected 99 to be at least 100",
    },
  ],
});
