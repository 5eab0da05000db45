import { defineExamples, routeWith } from "./examples.ts";

export const examples = defineExamples({
  examples: [
    {
      title: "Answers kept in memory",
      text: "`PURGE` throws one away.",
      resources: {
        "routes/1": routeWith({
          "proxy-cache": {
            cache_strategy: "memory",
            cache_zone: "memory_cache",
            cache_ttl: 60,
            cache_key: ["$uri", "-cache-id"],
            cache_method: ["GET"],
            cache_http_status: [200],
          },
        }),
      },
      calls: [
        { path: "/anything/a", status: 200, answerHeaders: { "Apisix-Cache-Status": "MISS" } },
        { path: "/anything/a", status: 200, answerHeaders: { "Apisix-Cache-Status": "HIT", Age: "…" }, node: null },
        { path: "/anything/a", method: "PURGE", status: 200 },
        { path: "/anything/a", method: "PURGE", status: 404 },
        { path: "/anything/a", status: 200, answerHeaders: { "Apisix-Cache-Status": "MISS" } },
      ],
    },
    {
      title: "Requests that go past the cache",
      text: "Where a variable of `cache_bypass` is neither empty nor `0` the node is asked.",
      resources: {
        "routes/1": routeWith({
          "proxy-cache": { cache_strategy: "memory", cache_zone: "memory_cache", cache_bypass: ["$arg_fresh"] },
        }),
      },
      calls: [
        { path: "/anything/b", status: 200, answerHeaders: { "Apisix-Cache-Status": "MISS" } },
        {
          path: "/anything/b?fresh=1",
          status: 200,
          answerHeaders: { "Apisix-Cache-Status": "BYPASS" },
          node: { request: "GET /anything/b?fresh=1" },
        },
      ],
    },
  ],
  refused: [
    {
      conf: { cache_strategy: "memory", cache_zone: "memory_cache", cache_ttl: 0 },
      field: "cache_ttl",
      says: "expected 0 to be at least 1",
    },
    {
      conf: { cache_strategy: "memory", cache_zone: "memory_cache", cache_method: ["PUT"] },
      field: "cache_method",
      says: "matches none of the enum values",
    },
  ],
});
