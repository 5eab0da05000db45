import { defineExamples, routeWith } from "./examples.ts";

export const examples = defineExamples({
  examples: [
    {
      title: "Links from one's own pages only",
      text: "What counts is the host in `Referer`; `*.foo.com` is every host that ends so.",
      resources: { "routes/1": routeWith({ "referer-restriction": { whitelist: ["xx.com", "*.xx.com"] } }) },
      calls: [
        { path: "/anything/a", headers: ["Referer: http://xx.com/x"], status: 200 },
        { path: "/anything/a", headers: ["Referer: https://www.xx.com"], status: 200 },
        {
          path: "/anything/a",
          headers: ["Referer: http://yy.com/x"],
          status: 403,
          answer: '{"message":"Your referer host is not allowed"}\n',
          node: null,
        },
        { path: "/anything/a", status: 403 },
      ],
    },
    {
      title: "One host turned away",
      text: "`bypass_missing` lets requests pass that have no such header.",
      resources: {
        "routes/1": routeWith({
          "referer-restriction": { blacklist: ["yy.com"], bypass_missing: true, message: "Not from there" },
        }),
      },
      calls: [
        { path: "/anything/a", status: 200 },
        {
          path: "/anything/a",
          headers: ["Referer: http://yy.com/x"],
          status: 403,
          answer: '{"message":"Not from there"}\n',
        },
      ],
    },
  ],
  refused: [
    { conf: { whitelist: ["a b"] }, field: "whitelist", says: "failed to match pattern" },
    { conf: { blacklist: [] }, field: "blacklist", says: "expect array to have at least 1 items" },
  ],
});
