import type { PluginDefinition } from "../plugin/plugin.ts";
import { explained } from "./catalogue/fields.ts";
import { tcpLogger as facts } from "./catalogue/loggers.ts";
import { logComments } from "./log-comments.ts";
import { checkLogMetadata, compileLogPlugin, type LogConf } from "./log-plugin.ts";
import { LineSender } from "./log-sockets.ts";

interface TcpLoggerConf extends LogConf {
  readonly host: string;
  readonly port: number;
  readonly tls: boolean;
  readonly tls_options?: string;
  /** Milliseconds. */
  readonly timeout: number;
}

export const tcpLogger: PluginDefinition<TcpLoggerConf> = {
  ...facts,
  summary: "Sends log entries, in batches, to a server over TCP or TLS.",
  schema: explained(facts.schema, {
    ...logComments,
    host: "Address or name of the server.",
    port: "Port of the server.",
    tls: "Whether to speak TLS; the certificate is verified.",
    tls_options: "Name of the server for TLS; without it `host`.",
    timeout: "For connecting and for sending, milliseconds.",
  }),

  checkMetadata: checkLogMetadata,

  compile(conf, env) {
    const single = conf.batch_max_size === 1;
    const sender = new LineSender({
      host: conf.host,
      port: conf.port,
      timeoutMs: conf.timeout,
      tlsName: conf.tls ? (conf.tls_options ?? conf.host) : null,
      // The end of the connection is the end of the batch, as in APISIX.
      kept: false,
    });
    return compileLogPlugin<string>(conf, env, {
      plugin: facts.name,
      sink: {
        concurrency: 4,
        send: (entries) => sender.send(single ? entries.join("\n") : `[${entries.join(",")}]`),
        close: () => sender.close(),
      },
      entry: (text) => text,
    });
  },
};
