import { defineExamples, routeWith, type Script } from "./examples.ts";

const john = { username: "john", plugins: { "hmac-auth": { key_id: "john-key", secret_key: "john-secret" } } };

/** Signs a request with a shell. */
function signed(path: string, secret: string): Script {
  return {
    script: `date=$(LC_ALL=C date -u '+%a, %d %b %Y %H:%M:%S GMT')
signature=$(printf 'john-key\\nGET ${path}\\ndate: %s\\n' "$date" | openssl dgst -sha256 -hmac ${secret} -binary | base64)
curl -i http://127.0.0.1:9080${path} -H "Date: $date" \\
  -H "Authorization: Signature keyId=\\"john-key\\",algorithm=\\"hmac-sha256\\",headers=\\"@request-target date\\",signature=\\"$signature\\""`,
  };
}

export const examples = defineExamples({
  examples: [
    {
      title: "A signed request",
      text: "What is signed are lines: the key's id, then for each name in `headers` the method and path (`@request-target`) or the header.",
      resources: { "consumers/john": john, "routes/1": routeWith({ "hmac-auth": {} }) },
      calls: [
        { ...signed("/anything/a", "john-secret"), status: 200, node: { headers: { "X-Consumer-Username": "john" } } },
        {
          note: "With another secret:",
          ...signed("/anything/a", "wrong"),
          status: 401,
          answerHeaders: { "WWW-Authenticate": 'hmac realm="hmac"' },
          answer: `{"message":"client request can't be validated"}\n`,
          node: null,
        },
        {
          path: "/anything/a",
          status: 401,
          answer: `{"message":"client request can't be validated: missing Authorization header"}\n`,
        },
      ],
    },
    {
      title: "The signature kept from the node",
      text: "`signed_headers` says what every signature must cover.",
      resources: {
        "consumers/john": john,
        "routes/1": routeWith({ "hmac-auth": { signed_headers: ["date"], hide_credentials: true } }),
      },
      calls: [{ ...signed("/anything/a", "john-secret"), status: 200, node: { headers: { authorization: null } } }],
    },
  ],
  refused: [
    { on: "consumers", conf: { key_id: "a" }, field: "secret_key", says: 'property "secret_key" is required' },
    { conf: { clock_skew: 0 }, field: "clock_skew", says: "expected 0 to be at least 1" },
    { conf: { allowed_algorithms: ["md5"] }, field: "allowed_algorithms", says: "matches none of the enum values" },
  ],
});
