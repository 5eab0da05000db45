import { defineExamples, routeWith } from "./examples.ts";

const john = { username: "johndoe", plugins: { "basic-auth": { username: "john", password: "john-secret" } } };

export const examples = defineExamples({
  examples: [
    {
      title: "User name and password",
      text: "The consumer's name need not be the user name that it signs in with.",
      resources: { "consumers/johndoe": john, "routes/1": routeWith({ "basic-auth": {} }) },
      calls: [
        {
          path: "/anything/a",
          options: ["-u", "john:john-secret"],
          status: 200,
          node: { headers: { authorization: "Basic am9objpqb2huLXNlY3JldA==", "X-Consumer-Username": "johndoe" } },
        },
        {
          path: "/anything/a",
          status: 401,
          answerHeaders: { "WWW-Authenticate": 'Basic realm="basic"' },
          answer: '{"message":"Missing authorization in request"}\n',
          node: null,
        },
        {
          path: "/anything/a",
          options: ["-u", "john:wrong"],
          status: 401,
          answer: '{"message":"Invalid user authorization"}\n',
        },
      ],
    },
    {
      title: "The password kept from the node",
      text: "`hide_credentials` takes `Authorization` out of the request before it goes on.",
      resources: {
        "consumers/johndoe": john,
        "routes/1": routeWith({ "basic-auth": { hide_credentials: true, realm: "our house" } }),
      },
      calls: [
        {
          path: "/anything/a",
          options: ["-u", "john:john-secret"],
          status: 200,
          node: { headers: { authorization: null } },
        },
        { path: "/anything/a", status: 401, answerHeaders: { "WWW-Authenticate": 'Basic realm="our house"' } },
      ],
    },
  ],
  refused: [
    { on: "consumers", conf: { username: "john" }, field: "password", says: 'property "password" is required' },
    { conf: { realm: 'a "quoted" one' }, field: "realm", says: "failed to match pattern" },
  ],
});
