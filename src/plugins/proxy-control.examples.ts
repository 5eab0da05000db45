import { defineExamples, routeWith } from "./examples.ts";

export const examples = defineExamples({
  examples: [
    {
      title: "Bodies passed on as they come",
      text: "Good for long uploads; a node then waits for slow clients.",
      resources: { "routes/1": routeWith({ "proxy-control": { request_buffering: false } }) },
      calls: [{ path: "/anything/a", method: "POST", body: "some text", status: 200, node: { body: "some text" } }],
    },
  ],
  refused: [{ conf: { request_buffering: "off" }, field: "request_buffering", says: "wrong type" }],
});
