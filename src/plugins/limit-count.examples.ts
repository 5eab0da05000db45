import { defineExamples, routeWith } from "./examples.ts";

export const examples = defineExamples({
  examples: [
    {
      title: "So many requests of one client",
      text: "Three in a minute for each address.",
      resources: {
        "routes/1": routeWith({
          "limit-count": { count: 3, time_window: 60, rejected_code: 429, key_type: "var", key: "remote_addr" },
        }),
      },
      calls: [
        {
          path: "/anything/a",
          status: 200,
          answerHeaders: { "X-RateLimit-Limit": "3", "X-RateLimit-Remaining": "2", "X-RateLimit-Reset": "…" },
        },
        { path: "/anything/a", times: 2, status: 200 },
        { path: "/anything/a", status: 429, answerHeaders: { "X-RateLimit-Remaining": "0" }, node: null },
        { note: "Another client:", path: "/anything/a", headers: ["X-Real-IP: 10.0.0.1"], status: 200 },
      ],
    },
    {
      title: "By address and consumer",
      text: "`key` may combine variables.",
      resources: {
        "consumers/jane": { username: "jane", plugins: { "key-auth": { key: "jane-key" } } },
        "consumers/john": { username: "john", plugins: { "key-auth": { key: "john-key" } } },
        "routes/1": routeWith({
          "key-auth": {},
          "limit-count": {
            count: 1,
            time_window: 60,
            rejected_code: 429,
            key_type: "var_combination",
            key: "$remote_addr $consumer_name",
          },
        }),
      },
      calls: [
        { path: "/anything/a", headers: ["apikey: jane-key"], status: 200 },
        { path: "/anything/a", headers: ["apikey: jane-key"], status: 429 },
        { path: "/anything/a", headers: ["apikey: john-key"], status: 200 },
      ],
    },
    {
      title: "One count for several routes",
      text: "What has the same `group` and the same limit counts together.",
      resources: {
        "routes/1": routeWith(
          { "limit-count": { count: 1, time_window: 60, rejected_code: 429, group: "shop" } },
          "/anything/a",
        ),
        "routes/2": routeWith(
          { "limit-count": { count: 1, time_window: 60, rejected_code: 429, group: "shop" } },
          "/anything/b",
        ),
      },
      calls: [
        { path: "/anything/a", status: 200 },
        { path: "/anything/b", status: 429 },
      ],
    },
    {
      title: "Limits that the request chooses",
      text: "`count` and `time_window` may hold variables, `??` gives what counts without them.",
      resources: {
        "routes/1": routeWith({
          "limit-count": {
            count: "${http_x_plan ?? 1}",
            time_window: 60,
            rejected_code: 429,
            key_type: "constant",
            key: "all",
            rejected_msg: "too many",
          },
        }),
      },
      calls: [
        { path: "/anything/a", status: 200, answerHeaders: { "X-RateLimit-Limit": "1" } },
        { path: "/anything/a", status: 429, answer: '{"error_msg":"too many"}\n' },
        { path: "/anything/a", headers: ["X-Plan: 5"], status: 200, answerHeaders: { "X-RateLimit-Limit": "5" } },
      ],
    },
    {
      title: "Other headers",
      text: "The metadata names the headers.",
      resources: {
        "plugin_metadata/limit-count": {
          limit_header: "X-Quota",
          remaining_header: "X-Quota-Left",
          reset_header: "X-Quota-Reset",
        },
        "routes/1": routeWith({ "limit-count": { count: 3, time_window: 60 } }),
      },
      calls: [
        {
          path: "/anything/a",
          status: 200,
          answerHeaders: { "X-Quota": "3", "X-Quota-Left": "2", "X-Quota-Reset": "60", "X-RateLimit-Limit": null },
        },
      ],
    },
  ],
  refused: [
    { conf: { count: 0, time_window: 60 }, field: "count", says: "count" },
    {
      conf: { count: 1, time_window: 60, policy: "redis", redis_host: "127.0.0.1", sync_interval: 0.01 },
      field: "sync_interval",
      says: "sync_interval should not be smaller than 0.1",
    },
    { on: "plugin_metadata", conf: { limit_header: 1 }, field: "limit_header", says: "expected string, got number" },
    {
      conf: { count: 1, time_window: 60, rejected_code: 100 },
      field: "rejected_code",
      says: "expected 100 to be at least 200",
    },
    {
      conf: { count: 1, time_window: 60, policy: "paper" },
      field: "policy",
      says: "matches none of the enum values",
    },
  ],
});
