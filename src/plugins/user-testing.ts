/** What tests of users' plugins import as `turnpike/plugin/testing`. */
export { buildConsumer, buildRequest, buildResponseHead } from "../plugin/fake-request.ts";
export type { FakeRequest, FakeRequestOptions } from "../plugin/fake-request.ts";
export { buildCounters, buildEnv, compileChecked } from "./checked-plugin.ts";
