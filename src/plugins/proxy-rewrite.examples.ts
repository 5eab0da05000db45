import { defineExamples, routeWith } from "./examples.ts";

export const examples = defineExamples({
  examples: [
    {
      title: "Another path, host and headers",
      text: "The query goes along. Values may hold variables.",
      resources: {
        "routes/1": routeWith(
          {
            "proxy-rewrite": {
              uri: "/anything/home",
              host: "test.example",
              headers: {
                set: { "X-Api-Version": "v1", "X-Client": "$remote_addr" },
                add: { "X-Tag": "$arg_tag" },
                remove: ["X-Old"],
              },
            },
          },
          "/test",
        ),
      },
      calls: [
        {
          path: "/test?tag=a",
          headers: ["X-Old: 1", "X-Tag: b"],
          status: 200,
          node: {
            request: "GET /anything/home?tag=a",
            headers: {
              host: "test.example",
              "X-Api-Version": "v1",
              "X-Client": "127.0.0.1",
              "X-Tag": "b, a",
              "X-Old": null,
            },
          },
        },
      ],
    },
    {
      title: "A path by a pattern",
      text: "Captures stand in the new path as `$1`, `$2` and so on.",
      resources: {
        "routes/1": routeWith(
          { "proxy-rewrite": { regex_uri: ["^/test/(.*)/(.*)/(.*)", "/anything/$1_$2_$3"], method: "POST" } },
          "/test/*",
        ),
      },
      calls: [
        { path: "/test/user/agent/1?x=2", status: 200, node: { request: "POST /anything/user_agent_1?x=2" } },
        { path: "/test/one", status: 200, node: { request: "POST /test/one" } },
      ],
    },
  ],
  refused: [
    { conf: { uri: "anything" }, field: "uri", says: "failed to match pattern" },
    { conf: { method: "SHOUT" }, field: "method", says: "matches none of the enum values" },
    { conf: { regex_uri: ["^/a"] }, field: "regex_uri", says: "regex_uri" },
  ],
});
