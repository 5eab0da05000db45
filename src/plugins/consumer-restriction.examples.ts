import { defineExamples, routeWith, toNode } from "./examples.ts";

const consumer = (username: string, more: object = {}): object => ({
  username,
  plugins: { "key-auth": { key: `${username}-key` } },
  ...more,
});
const two = { "consumers/jack": consumer("jack"), "consumers/rose": consumer("rose") };

export const examples = defineExamples({
  examples: [
    {
      title: "Some consumers only",
      text: "A plugin that authenticates has to stand beside it, on the route or what it inherits.",
      resources: {
        ...two,
        "routes/1": routeWith({ "key-auth": {}, "consumer-restriction": { whitelist: ["jack"] } }),
      },
      calls: [
        { path: "/anything/a", headers: ["apikey: jack-key"], status: 200 },
        {
          path: "/anything/a",
          headers: ["apikey: rose-key"],
          status: 403,
          answer: '{"message":"The consumer_name is forbidden."}\n',
          node: null,
        },
      ],
    },
    {
      title: "Methods by consumer",
      text: "Who is not named may use any method.",
      resources: {
        ...two,
        "routes/1": routeWith({
          "key-auth": {},
          "consumer-restriction": { allowed_by_methods: [{ user: "jack", methods: ["POST"] }] },
        }),
      },
      calls: [
        { path: "/anything/a", headers: ["apikey: jack-key"], status: 403 },
        { path: "/anything/a", headers: ["apikey: jack-key"], method: "POST", status: 200 },
        { path: "/anything/a", headers: ["apikey: rose-key"], status: 200 },
      ],
    },
    {
      title: "By consumer group",
      text: "The plugin may stand on routes, services, consumers and consumer groups.",
      resources: {
        "consumer_groups/paying": { plugins: {} },
        "consumers/jack": consumer("jack", { group_id: "paying" }),
        "consumers/rose": consumer("rose"),
        "routes/1": routeWith({
          "key-auth": {},
          "consumer-restriction": {
            type: "consumer_group_id",
            whitelist: ["paying"],
            rejected_code: 402,
            rejected_msg: "for paying customers",
          },
        }),
      },
      calls: [
        { path: "/anything/a", headers: ["apikey: jack-key"], status: 200 },
        { path: "/anything/a", headers: ["apikey: rose-key"], status: 401 },
      ],
    },
    {
      title: "A consumer, kept to one service",
      text: "On a consumer it says where that consumer may go.",
      resources: {
        "services/1": { upstream: toNode },
        "services/2": { upstream: toNode },
        "consumers/jack": {
          username: "jack",
          plugins: {
            "key-auth": { key: "jack-key" },
            "consumer-restriction": { type: "service_id", whitelist: ["1"], rejected_code: 403 },
          },
        },
        "routes/1": { uri: "/anything/a", service_id: "1", plugins: { "key-auth": {} } },
        "routes/2": { uri: "/anything/b", service_id: "2", plugins: { "key-auth": {} } },
      },
      calls: [
        { path: "/anything/a", headers: ["apikey: jack-key"], status: 200 },
        {
          path: "/anything/b",
          headers: ["apikey: jack-key"],
          status: 403,
          answer: '{"message":"The service_id is forbidden."}\n',
        },
      ],
    },
  ],
  refused: [
    { conf: { whitelist: [] }, field: "whitelist", says: "expect array to have at least 1 items" },
    { conf: { type: "mood", whitelist: ["good"] }, field: "type", says: "matches none of the enum values" },
  ],
});
