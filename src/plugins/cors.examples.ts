import { defineExamples, routeWith } from "./examples.ts";

export const examples = defineExamples({
  examples: [
    {
      title: "Open to everybody",
      text: "Without attributes scripts of any origin may read answers, without cookies.",
      resources: { "routes/1": routeWith({ cors: {} }) },
      calls: [
        {
          path: "/anything/a",
          headers: ["Origin: https://anywhere.example"],
          status: 200,
          answerHeaders: {
            "Access-Control-Allow-Origin": "*",
            "Access-Control-Allow-Methods": "*",
            "Access-Control-Allow-Headers": "*",
            "Access-Control-Max-Age": "5",
          },
        },
      ],
    },
    {
      title: "Some origins, with cookies",
      text: "Preflight requests are answered by the gateway. An origin that is not allowed gets no such headers.",
      resources: {
        "routes/1": routeWith({
          cors: {
            allow_origins: "https://app.example,https://admin.example",
            allow_methods: "GET,POST",
            allow_headers: "X-Token",
            expose_headers: "X-Total",
            max_age: 3600,
            allow_credential: true,
          },
        }),
      },
      calls: [
        {
          path: "/anything/a",
          method: "OPTIONS",
          headers: ["Origin: https://app.example", "Access-Control-Request-Method: POST"],
          status: 200,
          answerHeaders: {
            "Access-Control-Allow-Origin": "https://app.example",
            "Access-Control-Allow-Methods": "GET,POST",
            "Access-Control-Allow-Headers": "X-Token",
            "Access-Control-Allow-Credentials": "true",
            "Access-Control-Max-Age": "3600",
            Vary: "Origin",
          },
          node: null,
        },
        {
          path: "/anything/a",
          headers: ["Origin: https://admin.example"],
          status: 200,
          answerHeaders: {
            "Access-Control-Allow-Origin": "https://admin.example",
            "Access-Control-Expose-Headers": "X-Total",
          },
        },
        {
          path: "/anything/a",
          headers: ["Origin: https://elsewhere.example"],
          status: 200,
          answerHeaders: { "Access-Control-Allow-Origin": null },
        },
      ],
    },
    {
      title: "Origins by a pattern",
      text: "All hosts below one name.",
      resources: {
        "routes/1": routeWith({ cors: { allow_origins_by_regex: ["^https://[a-z]+\\.test\\.example$"] } }),
      },
      calls: [
        {
          path: "/anything/a",
          headers: ["Origin: https://one.test.example"],
          status: 200,
          answerHeaders: { "Access-Control-Allow-Origin": "https://one.test.example" },
        },
        {
          path: "/anything/a",
          headers: ["Origin: https://test.example"],
          status: 200,
          answerHeaders: { "Access-Control-Allow-Origin": null },
        },
      ],
    },
  ],
  refused: [
    { conf: { allow_origins: "app.example" }, field: "allow_origins", says: "failed to match pattern" },
    {
      conf: { allow_credential: true },
      field: "allow_credential",
      says: "you can not set '*' for other option when 'allow_credential' is true",
    },
  ],
});
