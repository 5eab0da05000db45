import type { PluginDefinition } from "../plugin/plugin.ts";
import { explained } from "./catalogue/fields.ts";
import { httpLogger as facts } from "./catalogue/loggers.ts";
import { logComments } from "./log-comments.ts";
import { createLogHttp, HTTP_CONCURRENCY, logHeaders, refusal } from "./log-http.ts";
import { checkLogMetadata, compileLogPlugin, type LogConf } from "./log-plugin.ts";

interface HttpLoggerConf extends LogConf {
  readonly uri: string;
  readonly auth_header?: string;
  /** Seconds. */
  readonly timeout: number;
  readonly concat_method: "json" | "new_line";
  readonly ssl_verify: boolean;
}

export const httpLogger: PluginDefinition<HttpLoggerConf> = {
  ...facts,
  summary: "Posts log entries, in batches, to a server over HTTP.",
  schema: explained(facts.schema, {
    ...logComments,
    uri: "Where entries are posted.",
    auth_header: "Value of the `Authorization` header.",
    timeout: "For one batch, seconds.",
    concat_method:
      "`json`: a batch is a JSON array, a single entry with `batch_max_size: 1` an object. `new_line`: one JSON object per line.",
    ssl_verify: "Whether the server's certificate is verified.",
  }),

  checkMetadata: checkLogMetadata,

  compile(conf, env) {
    const { concat_method: method, batch_max_size: size } = conf;
    const http = createLogHttp("uri", conf.uri, { timeoutMs: conf.timeout * 1_000, verifyTls: conf.ssl_verify });
    const headers = {
      "Content-Type": method === "json" ? "application/json" : "text/plain",
      ...(conf.auth_header === undefined ? {} : logHeaders("auth_header", { Authorization: conf.auth_header })),
    };
    const join = method === "new_line" ? lines : size === 1 ? lines : array;
    return compileLogPlugin<string>(conf, env, {
      plugin: facts.name,
      sink: {
        concurrency: HTTP_CONCURRENCY,
        async send(entries) {
          const answer = await http.post(join(entries), headers);
          if (answer.status >= 400) throw refusal("the server", answer);
        },
        close: () => http.close(),
      },
      entry: (text) => text,
    });
  },
};

const lines = (entries: readonly string[]): string => entries.join("\n");
const array = (entries: readonly string[]): string => `[${entries.join(",")}]`;
