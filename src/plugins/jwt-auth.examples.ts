import { defineExamples, routeWith } from "./examples.ts";

const secret = "jack-secret-of-32-characters-....";
const jack = { username: "jack", plugins: { "jwt-auth": { key: "jack-key", secret } } };

/** HS256 of `{"key":"jack-key","exp":…}`, good until the year 2100 and until 2020. */
const token =
  "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJrZXkiOiJqYWNrLWtleSIsImV4cCI6NDEwMjQ0NDgwMH0.YQw9Iaj2-G5q1kFIc3qBIMAx_V-0PgfVnLmfaA7omig";
const expired =
  "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJrZXkiOiJqYWNrLWtleSIsImV4cCI6MTU3NzgzNjgwMH0.2_FLn72hPZtrmM2PkyW_eqOZ-gi_Gii6CLTi3DB5sdw";
const hs512 =
  "eyJhbGciOiJIUzUxMiIsInR5cCI6IkpXVCJ9.eyJrZXkiOiJqYWNrLWtleSJ9.9ivE_YsYWOWpzgv5SrX9bEAUKb5CvIqJpRHEGKrYL3hVDGQ5ZyAQdyYSySZErGkTuf67zE_Zjxk_IavNT0tXbQ";

export const examples = defineExamples({
  examples: [
    {
      title: "A token in a header, an argument or a cookie",
      text: "The token names the consumer by its claim `key` and is signed with the consumer's secret. Any library or command for JSON Web Tokens makes one; this one is good until 2100.",
      resources: { "consumers/jack": jack, "routes/1": routeWith({ "jwt-auth": {} }) },
      calls: [
        {
          path: "/anything/a",
          headers: [`Authorization: Bearer ${token}`],
          status: 200,
          node: { headers: { "X-Consumer-Username": "jack" } },
        },
        { path: `/anything/a?jwt=${token}`, status: 200 },
        { path: "/anything/a", headers: [`Cookie: jwt=${token}`], status: 200 },
        {
          path: "/anything/a",
          status: 401,
          answerHeaders: { "WWW-Authenticate": 'Bearer realm="jwt"' },
          answer: '{"message":"Missing JWT token in request"}\n',
          node: null,
        },
        {
          note: "One that was good until 2020:",
          path: "/anything/a",
          headers: [`Authorization: ${expired}`],
          status: 401,
          answer: '{"message":"failed to verify jwt"}\n',
        },
        {
          note: "One of another algorithm than the consumer's, though with the right secret:",
          path: "/anything/a",
          headers: [`Authorization: ${hs512}`],
          status: 401,
        },
      ],
    },
    {
      title: "Names of one's own, and the token kept from the node",
      text: "With `hide_credentials` the node gets the request without the token.",
      resources: {
        "consumers/jack": jack,
        "routes/1": routeWith({
          "jwt-auth": { header: "X-Token", query: "token", cookie: "token", hide_credentials: true },
        }),
      },
      calls: [
        { path: "/anything/a", headers: [`X-Token: ${token}`], status: 200, node: { headers: { "X-Token": null } } },
        { path: `/anything/a?token=${token}&b=2`, status: 200, node: { request: "GET /anything/a?b=2" } },
      ],
    },
  ],
  refused: [
    {
      on: "consumers",
      conf: { key: "a", secret: "b", algorithm: "none" },
      field: "algorithm",
      says: "matches none of the enum values",
    },
    { on: "consumers", conf: { secret: "b" }, field: "key", says: 'property "key" is required' },
  ],
});
