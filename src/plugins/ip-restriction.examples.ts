import { defineExamples, routeWith } from "./examples.ts";

export const examples = defineExamples({
  examples: [
    {
      title: "Known addresses only",
      text: "Clients of this machine and of a network are admitted.",
      resources: { "routes/1": routeWith({ "ip-restriction": { whitelist: ["127.0.0.1", "192.168.0.0/16"] } }) },
      calls: [
        { path: "/anything/a", status: 200 },
        {
          note: "`X-Real-IP` is believed from 127.0.0.1 (`nginx_config.http.real_ip_from`):",
          path: "/anything/a",
          headers: ["X-Real-IP: 10.0.0.1"],
          status: 403,
          answer: '{"message":"Your IP address is not allowed"}\n',
          node: null,
        },
      ],
    },
    {
      title: "Some addresses turned away",
      text: "With a message and a status of one's own.",
      resources: {
        "routes/1": routeWith({
          "ip-restriction": { blacklist: ["10.0.0.0/8"], message: "Not from here", response_code: 404 },
        }),
      },
      calls: [
        { path: "/anything/a", status: 200 },
        {
          path: "/anything/a",
          headers: ["X-Real-IP: 10.0.0.1"],
          status: 404,
          answer: '{"message":"Not from here"}\n',
        },
      ],
    },
  ],
  refused: [
    { conf: { whitelist: ["10.0.0.300"] }, field: "whitelist", says: "failed to validate item 1" },
    { conf: { blacklist: [] }, field: "blacklist", says: "expect array to have at least 1 items" },
  ],
});
