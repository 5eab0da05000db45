import type { RequestContext } from "../plugin/context.ts";
import type { PluginDefinition } from "../plugin/plugin.ts";
import { compileTextVariable } from "../plugin/variables.ts";
import { explained } from "./catalogue/fields.ts";
import { lokiLogger as facts } from "./catalogue/loggers.ts";
import { logComments } from "./log-comments.ts";
import { createLogHttp, HTTP_CONCURRENCY, logHeaders, refusal } from "./log-http.ts";
import { checkLogMetadata, compileLogPlugin, type LogConf } from "./log-plugin.ts";

interface LokiLoggerConf extends LogConf {
  readonly endpoint_addrs: readonly string[];
  readonly endpoint_uri: string;
  readonly tenant_id: string;
  readonly headers?: Readonly<Record<string, unknown>>;
  readonly log_labels: Readonly<Record<string, string>>;
  readonly ssl_verify: boolean;
  /** Milliseconds, as the next. */
  readonly timeout: number;
  readonly keepalive: boolean;
  readonly keepalive_timeout: number;
  readonly keepalive_pool: number;
}

/** An entry with its labels, as JSON, and the time of the request in nanoseconds. */
export interface LokiEntry {
  readonly labels: string;
  readonly time: string;
  readonly line: string;
}

export const lokiLogger: PluginDefinition<LokiLoggerConf> = {
  ...facts,
  summary: "Pushes log entries, in batches, to Grafana Loki.",
  schema: explained(facts.schema, {
    ...logComments,
    endpoint_addrs: "Addresses of Loki; each batch goes to one of them, by chance.",
    endpoint_uri: "Path of the push API.",
    tenant_id: "The tenant, as `X-Scope-OrgID`.",
    headers: "Further headers.",
    log_labels: "Labels of the stream; a value that is a variable as a whole stands for what it yields.",
    ssl_verify: "Whether the server's certificate is verified.",
    timeout: "For one batch, milliseconds.",
    keepalive: "Whether connections are kept.",
    keepalive_timeout: "How long a connection may idle, milliseconds.",
    keepalive_pool: "Connections that may idle.",
  }),

  checkMetadata: checkLogMetadata,

  compile(conf, env) {
    const servers = conf.endpoint_addrs.map((address) =>
      createLogHttp("endpoint_addrs", `${address}${conf.endpoint_uri}`, {
        timeoutMs: conf.timeout,
        verifyTls: conf.ssl_verify,
        keepalive: conf.keepalive,
        keepaliveTimeoutMs: conf.keepalive_timeout,
        keepalivePool: conf.keepalive_pool,
      }),
    );
    const headers = {
      ...logHeaders("headers", conf.headers),
      ...logHeaders("tenant_id", { "X-Scope-OrgID": conf.tenant_id }),
      "Content-Type": "application/json",
    };
    const labels = compileLabels(conf.log_labels);
    return compileLogPlugin<LokiEntry>(conf, env, {
      plugin: facts.name,
      sink: {
        concurrency: HTTP_CONCURRENCY,
        async send(entries) {
          const server = servers[Math.floor(Math.random() * servers.length)]!;
          const answer = await server.post(pushBody(entries), headers);
          if (answer.status >= 300) throw refusal("Loki", answer);
        },
        close() {
          for (const server of servers) server.close();
        },
      },
      entry: (line, ctx) => ({ line, labels: labels(ctx), time: `${Math.round(ctx.startedAt)}000000` }),
    });
  },
};

/** A request's labels as JSON; those without a value are left out. */
function compileLabels(conf: Readonly<Record<string, string>>): (ctx: RequestContext) => string {
  const labels = Object.entries(conf).map(([name, text]) => ({
    name,
    text,
    read: text.startsWith("$") ? compileTextVariable(text.slice(1)) : null,
  }));
  if (labels.every(({ read }) => read === null)) {
    const constant = JSON.stringify(conf);
    return () => constant;
  }
  return (ctx) =>
    JSON.stringify(Object.fromEntries(labels.map(({ name, text, read }) => [name, read === null ? text : read(ctx)])));
}

/** The body of a push: a stream for each set of labels. */
export function pushBody(entries: readonly LokiEntry[]): string {
  const streams = new Map<string, string[]>();
  for (const { labels, time, line } of entries) {
    let values = streams.get(labels);
    if (values === undefined) streams.set(labels, (values = []));
    values.push(`["${time}",${JSON.stringify(line)}]`);
  }
  const texts = Array.from(streams, ([labels, values]) => `{"stream":${labels},"values":[${values.join(",")}]}`);
  return `{"streams":[${texts.join(",")}]}`;
}
