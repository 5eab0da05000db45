import { defineExamples } from "./examples.ts";

export const examples = defineExamples({
  examples: [
    {
      title: "What a plugin answers, for known clients only",
      text: "`batch-requests` answers nothing by itself: a route leads there, and its other plugins guard it.",
      resources: {
        "consumers/jack": { username: "jack", plugins: { "key-auth": { key: "jack-key" } } },
        "routes/batch": {
          uri: "/all-at-once",
          plugins: { "key-auth": {}, "public-api": { uri: "/apisix/batch-requests" } },
        },
      },
      calls: [
        { path: "/apisix/batch-requests", method: "POST", body: "{}", status: 404 },
        { path: "/all-at-once", method: "POST", body: "{}", status: 401 },
        {
          path: "/all-at-once",
          headers: ["apikey: jack-key"],
          method: "POST",
          body: '{"pipeline":[{"path":"/nowhere"}]}',
          status: 200,
          answer: '[{…"status":404…}]…',
        },
      ],
    },
  ],
  refused: [{ conf: { uri: 1 }, field: "uri", says: "wrong type" }],
});
