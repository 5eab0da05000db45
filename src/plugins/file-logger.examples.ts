import { defineExamples, routeWith } from "./examples.ts";

export const examples = defineExamples({
  examples: [
    {
      title: "A line for each request",
      text: "The file is below the prefix of the gateway where its path is relative. Here it is the gateway's standard output, which a container's platform collects.",
      resources: {
        "routes/1": routeWith({
          "file-logger": { path: "/dev/stdout", log_format: { path: "$uri", status: "$status" } },
        }),
      },
      calls: [{ path: "/anything/a", status: 200 }],
    },
  ],
  refused: [
    { conf: { path: 1 }, field: "path", says: "wrong type" },
    { conf: { path: "logs/a.log", include_req_body: "yes" }, field: "include_req_body", says: "wrong type" },
  ],
});
