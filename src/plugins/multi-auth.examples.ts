import { defineExamples, routeWith } from "./examples.ts";

export const examples = defineExamples({
  examples: [
    {
      title: "Either of two ways to sign in",
      text: "One consumer has a password, another a key; the route takes both.",
      resources: {
        "consumers/foo": {
          username: "foo",
          plugins: { "basic-auth": { username: "foo", password: "foo-secret" } },
        },
        "consumers/bar": { username: "bar", plugins: { "key-auth": { key: "bar-key" } } },
        "routes/1": routeWith({ "multi-auth": { auth_plugins: [{ "basic-auth": {} }, { "key-auth": {} }] } }),
      },
      calls: [
        {
          path: "/anything/a",
          options: ["-u", "foo:foo-secret"],
          status: 200,
          node: { headers: { "X-Consumer-Username": "foo" } },
        },
        {
          path: "/anything/a",
          headers: ["apikey: bar-key"],
          status: 200,
          answerHeaders: { "WWW-Authenticate": null },
          node: { headers: { "X-Consumer-Username": "bar" } },
        },
        { path: "/anything/a", status: 401, answer: '{"message":"Authorization Failed"}\n', node: null },
      ],
    },
  ],
  refused: [
    {
      conf: { auth_plugins: [{ "key-auth": {} }] },
      field: "auth_plugins",
      says: "expect array to have at least 2 items",
    },
    { conf: {}, field: "auth_plugins", says: 'property "auth_plugins" is required' },
  ],
});
