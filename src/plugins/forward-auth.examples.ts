import { defineExamples, routeWith } from "./examples.ts";

/** The service that is asked: a route of this gateway, too. */
const service = {
  uri: "/auth",
  plugins: {
    "serverless-pre-function": {
      phase: "rewrite",
      functions: [
        `function (conf, ctx) {
  const user = ctx.request.header("authorization");
  if (user !== "123") return [403, "nobody of ours"];
  ctx.request.setHeader("X-User-ID", "i-am-" + user);
}`,
      ],
    },
    "response-rewrite": {
      headers: { set: { "X-User-ID": "i-am-$http_authorization", Location: "http://127.0.0.1/login" } },
    },
  },
  upstream: { type: "roundrobin", nodes: { "127.0.0.1:8081": 1 } },
};

export const examples = defineExamples({
  examples: [
    {
      title: "A service decides",
      text: "The service gets the headers named in `request_headers`. Where it answers with a status of 200 to 299 the request goes on with `upstream_headers` of its answer; otherwise its answer goes to the client, with `client_headers`. In this example the service is a route of the same gateway.",
      resources: {
        "routes/auth": service,
        "routes/1": routeWith({
          "forward-auth": {
            uri: "http://127.0.0.1:9080/auth",
            request_headers: ["Authorization"],
            upstream_headers: ["X-User-ID"],
            client_headers: ["Location"],
          },
        }),
      },
      calls: [
        {
          path: "/anything/a",
          headers: ["Authorization: 123"],
          status: 200,
          node: { headers: { "X-User-ID": "i-am-123" } },
        },
        {
          path: "/anything/a",
          headers: ["Authorization: 321"],
          status: 403,
          answerHeaders: { Location: "http://127.0.0.1/login", "X-User-ID": null },
          answer: "nobody of ours",
          node: null,
        },
      ],
    },
    {
      title: "The service is away",
      text: "Requests are refused with `status_on_error`, or pass with `allow_degradation`.",
      resources: {
        "routes/1": routeWith(
          { "forward-auth": { uri: "http://127.0.0.1:1/auth", status_on_error: 503 } },
          "/anything/a",
        ),
        "routes/2": routeWith(
          { "forward-auth": { uri: "http://127.0.0.1:1/auth", allow_degradation: true } },
          "/anything/b",
        ),
      },
      calls: [
        { path: "/anything/a", status: 503, node: null },
        { path: "/anything/b", status: 200 },
      ],
    },
  ],
  refused: [
    { conf: {}, field: "uri", says: 'property "uri" is required' },
    { conf: { uri: "http://a", timeout: 0 }, field: "timeout", says: "expected 0 to be at least 1" },
  ],
});
