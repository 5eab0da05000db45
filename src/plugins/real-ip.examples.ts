import { defineExamples, routeWith } from "./examples.ts";

export const examples = defineExamples({
  examples: [
    {
      title: "The client's address in an argument",
      text: "Other plugins and the node see that address. (In names of headers of answers `_` becomes `-`.)",
      resources: {
        "routes/1": routeWith({
          "real-ip": { source: "arg_realip", trusted_addresses: ["127.0.0.0/24"] },
          "response-rewrite": { headers: { remote_addr: "$remote_addr", remote_port: "$remote_port" } },
        }),
      },
      calls: [
        {
          path: "/anything/a?realip=1.2.3.4:9080",
          status: 200,
          answerHeaders: { "remote-addr": "1.2.3.4", "remote-port": "9080" },
          node: { headers: { "X-Real-IP": "1.2.3.4" } },
        },
        { path: "/anything/a", status: 200, node: { headers: { "X-Real-IP": "127.0.0.1" } } },
      ],
    },
    {
      title: "Behind proxies",
      text: "With `recursive` the last address in `X-Forwarded-For` counts that is not one of the trusted proxies.",
      resources: {
        "routes/1": routeWith({
          "real-ip": {
            source: "http_x_forwarded_for",
            recursive: true,
            trusted_addresses: ["127.0.0.0/24", "192.128.0.0/16"],
          },
        }),
      },
      calls: [
        {
          path: "/anything/a",
          headers: ["X-Forwarded-For: 127.0.0.2, 1.1.1.1, 192.128.1.3"],
          status: 200,
          node: { headers: { "X-Real-IP": "1.1.1.1" } },
        },
      ],
    },
  ],
  refused: [
    { conf: {}, field: "source", says: 'property "source" is required' },
    {
      conf: { source: "arg_a", trusted_addresses: ["here"] },
      field: "trusted_addresses",
      says: "failed to validate item 1",
    },
  ],
});
