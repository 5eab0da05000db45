import { defineExamples, routeWith } from "./examples.ts";

export const examples = defineExamples({
  examples: [
    {
      title: "A rate for each client",
      text: "One request in ten seconds; what comes sooner is refused.",
      resources: {
        "routes/1": routeWith({ "limit-req": { rate: 0.1, burst: 0, key: "remote_addr", rejected_code: 429 } }),
      },
      calls: [
        { path: "/anything/a", status: 200 },
        { path: "/anything/a", status: 429, node: null },
        { path: "/anything/a", headers: ["X-Real-IP: 10.0.0.1"], status: 200 },
      ],
    },
    {
      title: "Some more at once",
      text: "With `burst` two more may come sooner. They would wait for their turn; `nodelay` lets them through.",
      resources: {
        "routes/1": routeWith({
          "limit-req": {
            rate: 0.1,
            burst: 2,
            nodelay: true,
            key_type: "var_combination",
            key: "$remote_addr$http_x_user",
            rejected_code: 429,
            rejected_msg: "slowly",
          },
        }),
      },
      calls: [
        { path: "/anything/a", headers: ["X-User: ann"], times: 3, status: 200 },
        { path: "/anything/a", headers: ["X-User: ann"], status: 429, answer: '{"error_msg":"slowly"}\n' },
        { path: "/anything/a", headers: ["X-User: bob"], status: 200 },
      ],
    },
  ],
  refused: [
    { conf: { rate: 1, burst: 0 }, field: "key", says: 'property "key" is required' },
    { conf: { rate: 0, burst: 0, key: "remote_addr" }, field: "rate", says: "expected 0 to be greater than 0" },
  ],
});
