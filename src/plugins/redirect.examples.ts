import { defineExamples, routeWith } from "./examples.ts";

export const examples = defineExamples({
  examples: [
    {
      title: "From HTTP to HTTPS",
      text: "301 for GET and HEAD, 308 for what has a body. The query goes along.",
      resources: { "routes/1": { ...routeWith({ redirect: { http_to_https: true } }), host: "shop.example" } },
      calls: [
        {
          path: "/anything/a",
          headers: ["Host: shop.example"],
          status: 301,
          answerHeaders: { Location: "https://shop.example…/anything/a" },
          node: null,
        },
        { path: "/anything/a", method: "POST", body: "x", headers: ["Host: shop.example"], status: 308 },
      ],
    },
    {
      title: "Another path",
      text: "`uri` may hold variables; `append_query_string` takes the query along.",
      resources: {
        "routes/1": routeWith({ redirect: { uri: "$uri/new", ret_code: 301, append_query_string: true } }),
      },
      calls: [{ path: "/anything/a?x=1", status: 301, answerHeaders: { Location: "/anything/a/new?x=1" }, node: null }],
    },
    {
      title: "A path by a pattern",
      text: "Captures stand in the new address as `$1`, `$2` and so on.",
      resources: { "routes/1": routeWith({ redirect: { regex_uri: ["^/anything/(.*)", "http://new.example/$1"] } }) },
      calls: [{ path: "/anything/a/b", status: 302, answerHeaders: { Location: "http://new.example/a/b" } }],
    },
  ],
  refused: [
    { conf: { uri: "/a", ret_code: 100 }, field: "ret_code", says: "expected 100 to be at least 200" },
    { conf: { regex_uri: ["^/a"] }, field: "regex_uri", says: "regex_uri" },
  ],
});
