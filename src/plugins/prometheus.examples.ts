import { defineExamples, routeWith } from "./examples.ts";

export const examples = defineExamples({
  examples: [
    {
      title: "Metrics through a route",
      text: "Metrics have a port of their own, `curl http://127.0.0.1:9091/apisix/prometheus/metrics`. With `plugin_attr.prometheus.enable_export_server: false`, as here, a route with `public-api` leads there, guarded by its other plugins.",
      resources: {
        "routes/1": { ...routeWith({ prometheus: {} }), name: "shop" },
        "routes/2": { ...routeWith({ prometheus: { prefer_name: true } }, "/status/*"), name: "statuses" },
        "routes/metrics": { uri: "/apisix/prometheus/metrics", plugins: { "public-api": {} } },
      },
      calls: [
        { path: "/anything/a", status: 200 },
        { path: "/status/418", status: 418 },
        {
          path: "/apisix/prometheus/metrics",
          status: 200,
          answerHeaders: { "Content-Type": "text/plain…" },
          answer:
            '…apisix_http_status{code="200",route="1",…} 1\n…apisix_http_status{code="418",route="statuses",…} 1\n…',
        },
      ],
    },
  ],
  refused: [
    { conf: { prefer_name: "yes" }, field: "prefer_name", says: "wrong type" },
    {
      on: "plugin_metadata",
      conf: { disabled_labels: { http_status: ["code"] } },
      field: "http_status",
      says: "http_status",
    },
  ],
});
