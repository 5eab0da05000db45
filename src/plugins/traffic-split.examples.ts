import { defineExamples, routeWith, toNode } from "./examples.ts";

const other = { type: "roundrobin", nodes: { "127.0.0.1:8081": 1 } };

export const examples = defineExamples({
  examples: [
    {
      title: "A share of the traffic",
      text: "An entry without an upstream stands for the route's own. Here everything goes to the new version but nothing to the old one; `3` and `2` would be 60 % and 40 %.",
      resources: {
        "routes/1": routeWith({
          "traffic-split": { rules: [{ weighted_upstreams: [{ upstream: other, weight: 1 }, { weight: 0 }] }] },
        }),
      },
      calls: [{ path: "/anything/a", times: 3, status: 200, node: { port: 8081 } }],
    },
    {
      title: "Testers see the new version",
      text: "The first rule whose conditions hold decides.",
      resources: {
        "upstreams/new": other,
        "routes/1": {
          uri: "/anything/*",
          plugins: {
            "traffic-split": {
              rules: [
                {
                  match: [{ vars: [["http_x_tester", "==", "yes"]] }, { vars: [["arg_version", "==", "2"]] }],
                  weighted_upstreams: [{ upstream_id: "new" }],
                },
              ],
            },
          },
          upstream: toNode,
        },
      },
      calls: [
        { path: "/anything/a", status: 200, node: { port: 8080 } },
        { path: "/anything/a", headers: ["X-Tester: yes"], status: 200, node: { port: 8081 } },
        { path: "/anything/a?version=2", status: 200, node: { port: 8081 } },
      ],
    },
  ],
  refused: [
    {
      conf: { rules: [{ weighted_upstreams: [{ weight: -1 }] }] },
      field: "weight",
      says: "expected -1 to be at least 0",
    },
    { conf: { rules: "all" }, field: "rules", says: "wrong type" },
  ],
});
