import { defineExamples, routeWith } from "./examples.ts";

export const examples = defineExamples({
  examples: [
    {
      title: "A copy for another service",
      text: "The client gets the node's answer; that of the mirror is dropped.",
      resources: {
        "routes/1": routeWith({ "proxy-mirror": { host: "http://127.0.0.1:8081" } }, "/anything/a"),
        "routes/2": routeWith(
          { "proxy-mirror": { host: "http://127.0.0.1:8081", path: "/copies", path_concat_mode: "prefix" } },
          "/anything/b",
        ),
      },
      calls: [
        { path: "/anything/a?x=1", status: 200, node: { port: 8081, request: "GET /anything/a?x=1" } },
        { path: "/anything/b", status: 200, node: { port: 8081, request: "GET /copies/anything/b" } },
      ],
    },
  ],
  refused: [
    { conf: {}, field: "host", says: 'property "host" is required' },
    { conf: { host: "127.0.0.1:8081" }, field: "host", says: "failed to match pattern" },
  ],
});
