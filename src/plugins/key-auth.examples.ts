import { defineExamples, routeWith } from "./examples.ts";

export const examples = defineExamples({
  examples: [
    {
      title: "A key for each consumer",
      text: "Requests need the key of a consumer, in the header `apikey` or the argument `apikey`.",
      resources: {
        "consumers/jack": { username: "jack", plugins: { "key-auth": { key: "jack-key" } } },
        "routes/1": routeWith({ "key-auth": {} }),
      },
      calls: [
        {
          path: "/anything/a",
          headers: ["apikey: jack-key"],
          status: 200,
          node: { headers: { apikey: "jack-key", "X-Consumer-Username": "jack" } },
        },
        { path: "/anything/a?apikey=jack-key", status: 200 },
        {
          path: "/anything/a",
          status: 401,
          answerHeaders: { "WWW-Authenticate": 'apikey realm="key"' },
          answer: '{"message":"Missing API key in request"}\n',
          node: null,
        },
        {
          path: "/anything/a",
          headers: ["apikey: wrong"],
          status: 401,
          answer: '{"message":"Invalid API key in request"}\n',
        },
      ],
    },
    {
      title: "Another header, and the key kept from the node",
      text: "`hide_credentials` takes the key out of the request before it goes on.",
      resources: {
        "consumers/jack": { username: "jack", plugins: { "key-auth": { key: "jack-key" } } },
        "routes/1": routeWith({ "key-auth": { header: "X-Key", query: "key", hide_credentials: true } }),
      },
      calls: [
        { path: "/anything/a", headers: ["X-Key: jack-key"], status: 200, node: { headers: { "X-Key": null } } },
        { path: "/anything/a?key=jack-key&b=2", status: 200, node: { request: "GET /anything/a?b=2" } },
      ],
    },
    {
      title: "Credentials, and a consumer for everybody else",
      text: "A consumer may have several keys. Who has none of them is the consumer `anonymous`, which may do less.",
      resources: {
        "consumers/jack": { username: "jack" },
        "consumers/jack/credentials/one": { plugins: { "key-auth": { key: "jack-key" } } },
        "consumers/anonymous": {
          username: "anonymous",
          plugins: { "limit-count": { count: 1, time_window: 60, rejected_code: 429 } },
        },
        "routes/1": routeWith({ "key-auth": { anonymous_consumer: "anonymous" } }),
      },
      calls: [
        {
          path: "/anything/a",
          headers: ["apikey: jack-key"],
          times: 2,
          status: 200,
          node: { headers: { "X-Consumer-Username": "jack", "X-Credential-Identifier": "one" } },
        },
        { path: "/anything/a", status: 200, node: { headers: { "X-Consumer-Username": "anonymous" } } },
        { path: "/anything/a", status: 429 },
      ],
    },
  ],
  refused: [
    { on: "consumers", conf: {}, field: "key", says: 'property "key" is required' },
    { conf: { hide_credentials: "yes" }, field: "hide_credentials", says: "wrong type" },
  ],
});
