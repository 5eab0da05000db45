import { defineExamples, routeWith } from "./examples.ts";

export const examples = defineExamples({
  examples: [
    {
      title: "A token in a cookie and a header",
      text: "Every answer sets the cookie. A script of the page sends it back as a header of that name too, which a page of somebody else cannot.",
      resources: { "routes/1": routeWith({ csrf: { key: "a-secret" } }) },
      calls: [
        {
          path: "/anything/a",
          status: 200,
          answerHeaders: { "Set-Cookie": "apisix-csrf-token=…;path=/;SameSite=Lax;Expires=…" },
        },
        {
          path: "/anything/a",
          method: "POST",
          status: 401,
          answer: '{"error_msg":"no csrf token in headers"}\n',
          node: null,
        },
        {
          path: "/anything/a",
          method: "POST",
          headers: ["apisix-csrf-token: made-up"],
          status: 401,
          answer: '{"error_msg":"no csrf cookie"}\n',
        },
        {
          script: `token=$(curl -i http://127.0.0.1:9080/anything/a | sed -n 's/^Set-Cookie: apisix-csrf-token=\\([^;]*\\).*/\\1/ip')
curl -i -X POST http://127.0.0.1:9080/anything/a -H "apisix-csrf-token: $token" -b "apisix-csrf-token=$token"`,
          status: 200,
        },
      ],
    },
  ],
  refused: [
    { conf: {}, field: "key", says: 'property "key" is required' },
    { conf: { key: "a", expires: "1h" }, field: "expires", says: "wrong type" },
  ],
});
