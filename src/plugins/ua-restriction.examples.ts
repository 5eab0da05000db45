import { defineExamples, routeWith } from "./examples.ts";

export const examples = defineExamples({
  examples: [
    {
      title: "Robots turned away",
      text: "The patterns are regular expressions, looked for anywhere in `User-Agent`.",
      resources: {
        "routes/1": routeWith({ "ua-restriction": { denylist: ["(Baiduspider)/(\\d+)\\.(\\d+)", "bad-bot"] } }),
      },
      calls: [
        { path: "/anything/a", status: 200 },
        {
          path: "/anything/a",
          options: ["-A", "Baiduspider/2.0"],
          status: 403,
          answer: '{"message":"Not allowed"}\n',
          node: null,
        },
        { note: "Without a `User-Agent`:", path: "/anything/a", headers: ["User-Agent:"], status: 403 },
      ],
    },
    {
      title: "One client only",
      text: "`bypass_missing` lets requests pass that have no such header.",
      resources: {
        "routes/1": routeWith({
          "ua-restriction": { allowlist: ["^our-app/"], bypass_missing: true, message: "Our app only" },
        }),
      },
      calls: [
        { path: "/anything/a", options: ["-A", "our-app/7"], status: 200 },
        { path: "/anything/a", status: 403, answer: '{"message":"Our app only"}\n' },
        { path: "/anything/a", headers: ["User-Agent:"], status: 200 },
      ],
    },
  ],
  refused: [
    { conf: { denylist: [] }, field: "denylist", says: "expect array to have at least 1 items" },
    { conf: { allowlist: ["a"], bypass_missing: 1 }, field: "bypass_missing", says: "wrong type" },
  ],
});
