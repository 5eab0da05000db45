import { defineExamples, routeWith } from "./examples.ts";

export const examples = defineExamples({
  examples: [
    {
      title: "Paths that nobody should ask for",
      text: "Path and query are looked at, decoded; a route of its own for each pattern is not needed.",
      resources: { "routes/1": routeWith({ "uri-blocker": { block_rules: ["root.exe", "root.m+"] } }) },
      calls: [
        { path: "/anything/a?name=x", status: 200 },
        { path: "/anything/root.exe", status: 403, node: null },
        { path: "/anything/a?name=root.exe", status: 403 },
        { path: "/anything/root%2Eexe", status: 403 },
      ],
    },
    {
      title: "An answer of one's own, whatever the case of letters",
      text: "`rejected_msg` becomes the `error_msg` of the answer.",
      resources: {
        "routes/1": routeWith({
          "uri-blocker": {
            block_rules: ["root.exe"],
            case_insensitive: true,
            rejected_code: 410,
            rejected_msg: "not here",
          },
        }),
      },
      calls: [{ path: "/anything/ROOT.EXE", status: 410, answer: '{"error_msg":"not here"}\n' }],
    },
  ],
  refused: [
    { conf: {}, field: "block_rules", says: 'property "block_rules" is required' },
    {
      conf: { block_rules: ["a"], rejected_code: 100 },
      field: "rejected_code",
      says: "expected 100 to be at least 200",
    },
  ],
});
