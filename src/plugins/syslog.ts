import { hostname } from "node:os";
import { BatchError, type BatchSink } from "../batch/batch-processor.ts";
import type { PluginDefinition } from "../plugin/plugin.ts";
import { explained } from "./catalogue/fields.ts";
import { syslog as facts } from "./catalogue/loggers.ts";
import { logComments } from "./log-comments.ts";
import { checkLogMetadata, compileLogPlugin, type LogConf } from "./log-plugin.ts";
import { DatagramSender, LineSender, MAX_DATAGRAM } from "./log-sockets.ts";

interface SyslogConf extends LogConf {
  readonly host: string;
  readonly port: number;
  /** Characters, as the next. */
  readonly flush_limit: number;
  readonly drop_limit: number;
  /** Milliseconds. */
  readonly timeout: number;
  readonly sock_type: "tcp" | "udp";
  readonly tls: boolean;
}

export const syslog: PluginDefinition<SyslogConf> = {
  ...facts,
  servesStreams: true,
  summary: "Sends log entries to a syslog server (RFC 5424), over TCP, TLS or UDP.",
  schema: explained(facts.schema, {
    ...logComments,
    host: "Address or name of the server.",
    port: "Port of the server.",
    flush_limit: "Has no effect beyond `drop_limit`: messages go when their batch does.",
    drop_limit: "Characters of messages that may wait, at least `flush_limit`; what comes then is dropped.",
    timeout: "For connecting and for sending, milliseconds.",
    sock_type: "How messages are sent; over TCP each ends with a line feed.",
    pool_size: "Has no effect: each worker keeps one connection for each configuration.",
    tls: "Whether to speak TLS over TCP; the certificate is verified.",
  }),

  checkMetadata: checkLogMetadata,

  compile(conf, env) {
    return compileLogPlugin<string>(conf, env, {
      plugin: facts.name,
      sink: conf.sock_type === "udp" ? datagrams(conf) : lines(conf),
      entry: (text, ctx) => syslogMessage(ctx.host || hostname(), Date.now(), text),
      maxPendingSize: Math.max(conf.drop_limit, conf.flush_limit),
    });
  },
};

/** Facility 5 (messages of the logging itself), severity 6 (informational), as APISIX sends them. */
const PRIORITY = 46;
const APP_NAME = "apisix";

/**
 * One message (RFC 5424 section 6) of printable text: nothing that a client sends can end it or
 * add a field. `text` is JSON, which has no line feeds.
 */
export function syslogMessage(host: string, unixMs: number, text: string): string {
  // PRINTUSASCII, up to 255 characters.
  const hostName = host.replaceAll(/[^\u0021-\u007e]/g, "").slice(0, 255) || "-";
  return `<${PRIORITY}>1 ${new Date(unixMs).toISOString()} ${hostName} ${APP_NAME} ${process.pid} - - ${text}`;
}

function lines({ host, port, timeout, tls }: SyslogConf): BatchSink<string> {
  const sender = new LineSender({ host, port, timeoutMs: timeout, tlsName: tls ? host : null, kept: true });
  return {
    concurrency: 1,
    // RFC 6587 section 3.4.2: the line feed ends a message.
    send: (messages) => sender.send(`${messages.join("\n")}\n`),
    close: () => sender.close(),
  };
}

/** RFC 5426 section 3.1: a message is a datagram. */
function datagrams({ host, port }: SyslogConf): BatchSink<string> {
  const sender = new DatagramSender(host, port);
  return {
    concurrency: 1,
    async send(messages) {
      let tooLong = 0;
      for (const message of messages) {
        const datagram = Buffer.from(message);
        if (datagram.length > MAX_DATAGRAM) tooLong++;
        else await sender.send(datagram);
      }
      if (tooLong > 0) throw new BatchError(`longer than a datagram of ${MAX_DATAGRAM} bytes`, [], tooLong);
    },
    close: () => sender.close(),
  };
}
