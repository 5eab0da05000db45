import { BatchError } from "../batch/batch-processor.ts";
import type { PluginDefinition } from "../plugin/plugin.ts";
import { explained } from "./catalogue/fields.ts";
import { udpLogger as facts } from "./catalogue/loggers.ts";
import { logComments } from "./log-comments.ts";
import { checkLogMetadata, compileLogPlugin, type LogConf } from "./log-plugin.ts";
import { DatagramSender, MAX_DATAGRAM } from "./log-sockets.ts";

interface UdpLoggerConf extends LogConf {
  readonly host: string;
  readonly port: number;
}

export const udpLogger: PluginDefinition<UdpLoggerConf> = {
  ...facts,
  summary: "Sends log entries, in batches, to a server over UDP.",
  schema: explained(facts.schema, {
    ...logComments,
    host: "Address or name of the server.",
    port: "Port of the server.",
    timeout: "Has no effect: a datagram is sent at once or not at all.",
  }),

  checkMetadata: checkLogMetadata,

  compile(conf, env) {
    const single = conf.batch_max_size === 1;
    const sender = new DatagramSender(conf.host, conf.port);
    return compileLogPlugin<string>(conf, env, {
      plugin: facts.name,
      sink: {
        concurrency: 1,
        async send(entries) {
          const { datagrams, tooLong } = datagramsOf(entries, single);
          for (const datagram of datagrams) await sender.send(datagram);
          if (tooLong > 0) throw new BatchError(`longer than a datagram of ${MAX_DATAGRAM} bytes`, [], tooLong);
        },
        close: () => sender.close(),
      },
      entry: (text) => text,
    });
  },
};

/** As many entries in each datagram as it takes, in a JSON array; `single`: an object in each. */
export function datagramsOf(entries: readonly string[], single: boolean): { datagrams: Buffer[]; tooLong: number } {
  const datagrams: Buffer[] = [];
  let tooLong = 0;
  let gathered: string[] = [];
  let length = 0;
  const finish = (): void => {
    if (gathered.length > 0) datagrams.push(Buffer.from(single ? gathered.join("") : `[${gathered.join(",")}]`));
    gathered = [];
    length = 0;
  };
  for (const entry of entries) {
    // A comma or bracket before each, and a bracket at the end.
    const needed = Buffer.byteLength(entry) + 1;
    if (needed + 1 > MAX_DATAGRAM) {
      tooLong++;
      continue;
    }
    if (single || length + needed + 1 > MAX_DATAGRAM) finish();
    gathered.push(entry);
    length += needed;
  }
  finish();
  return { datagrams, tooLong };
}
