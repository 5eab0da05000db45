import type { Producer } from "kafkajs";
import { reasonOf } from "../lib/errors.ts";
import type { RequestContext } from "../plugin/context.ts";
import type { PluginDefinition } from "../plugin/plugin.ts";
import { textOfWire } from "../plugin/wire-text.ts";
import { explained } from "./catalogue/fields.ts";
import { kafkaLogger as facts } from "./catalogue/loggers.ts";
import { loadKafka } from "./kafka-library.ts";
import { brokersOf, kafkaOptions, type KafkaConf } from "./kafka-options.ts";
import { compileLogBodies } from "./log-bodies.ts";
import { logComments } from "./log-comments.ts";
import { checkLogMetadata, compileLogPlugin, type LogConf, type LogTarget } from "./log-plugin.ts";

interface KafkaLoggerConf extends LogConf, KafkaConf {
  readonly meta_format: "default" | "origin";
  readonly kafka_topic: string;
  readonly required_acks: 1 | -1;
  readonly key?: string;
  readonly producer_batch_size: number;
}

const noEffect = "Has no effect.";

export const kafkaLogger: PluginDefinition<KafkaLoggerConf> = {
  ...facts,
  summary: "Sends log entries, in batches, to a topic of Kafka.",
  schema: explained(facts.schema, {
    ...logComments,
    meta_format: "`default`: entries in JSON. `origin`: the request as HTTP, without its answer.",
    brokers: "Brokers to begin with; the first with a `sasl_config` says how all are logged in to.",
    broker_list: "The same as host to port.",
    kafka_topic: "Where messages are put.",
    producer_type: `${noEffect} A batch is done when Kafka says so.`,
    required_acks: "Who must have a message: its leader (1), or all replicas that are in sync (-1).",
    key: "Key of all messages: they go to one partition.",
    timeout: "For one request to a broker, seconds.",
    ssl: "Whether to speak TLS.",
    ssl_verify: "Whether the brokers' certificates are verified.",
    cluster_name: noEffect,
    producer_batch_num: noEffect,
    producer_batch_size: "Bytes of a message; a batch that is longer becomes several.",
    producer_max_buffering: `${noEffect} See \`max_pending_entries\` of the metadata.`,
    producer_time_linger: noEffect,
    meta_refresh_interval: "How long it is believed which broker leads a partition, seconds.",
    api_version: `${noEffect} The broker's version decides; messages have timestamps.`,
  }),

  checkMetadata: checkLogMetadata,

  compile(conf, env) {
    const producer = new LazyProducer(conf);
    const { kafka_topic: topic, required_acks: acks, key = null } = conf;
    const single = conf.batch_max_size === 1;
    const limit = conf.producer_batch_size > 0 ? conf.producer_batch_size : Infinity;
    const target: LogTarget<string> = {
      plugin: facts.name,
      sink: {
        concurrency: 1,
        async send(entries) {
          const values = single ? entries : messagesOf(entries, limit);
          await producer.send(topic, acks, conf.timeout * 1_000, key, values);
        },
        close: () => producer.close(),
      },
      // Within a batch each entry is a JSON value; a request by itself is sent as it is.
      entry: conf.meta_format === "origin" && !single ? (text) => JSON.stringify(text) : (text) => text,
    };
    if (conf.meta_format !== "origin") return compileLogPlugin(conf, env, target);
    const bodies = compileLogBodies({ ...conf, include_resp_body: false }, { request: false, response: false });
    const textOf = (ctx: RequestContext): string => originalRequest(ctx, bodies.request(ctx));
    return { ...compileLogPlugin(conf, env, { ...target, textOf }), ...bodies.handlers };
  },
};

/** JSON arrays of as many entries as fit into `limit` bytes, at least of one. */
export function messagesOf(entries: readonly string[], limit: number): string[] {
  const messages: string[] = [];
  let gathered: string[] = [];
  let length = 2;
  for (const entry of entries) {
    const needed = Buffer.byteLength(entry) + 1;
    if (gathered.length > 0 && length + needed > limit) {
      messages.push(`[${gathered.join(",")}]`);
      gathered = [];
      length = 2;
    }
    gathered.push(entry);
    length += needed;
  }
  return [...messages, `[${gathered.join(",")}]`];
}

/** The request in the form of HTTP/1.1. Values of a head that was accepted hold no line ends. */
function originalRequest(ctx: RequestContext, body = ""): string {
  const lines = ctx.headers().map(([name, value]) => `${name.toLowerCase()}: ${textOfWire(value)}\r\n`);
  return `${ctx.method} ${textOfWire(ctx.target)} ${ctx.protocol}\r\n${lines.join("")}\r\n${body}`;
}

/** Loads the library and connects when the first batch is there. */
class LazyProducer {
  readonly #conf: KafkaConf;
  #connected: Promise<Producer> | null = null;
  #closed = false;

  constructor(conf: KafkaConf) {
    // Says now what is wrong with them.
    brokersOf(conf);
    this.#conf = conf;
  }

  async send(topic: string, acks: number, timeout: number, key: string | null, values: readonly string[]) {
    const producer = await this.#producer();
    await producer.send({ topic, acks, timeout, messages: values.map((value) => ({ key, value })) });
  }

  close(): void {
    this.#closed = true;
    void this.#connected?.then(disconnect, () => undefined);
  }

  async #producer(): Promise<Producer> {
    const connecting = (this.#connected ??= this.#connect());
    try {
      return await connecting;
    } catch (error) {
      // The next batch tries anew.
      if (this.#connected === connecting) this.#connected = null;
      throw new Error(`Kafka: ${reasonOf(error)}`, { cause: error });
    }
  }

  async #connect(): Promise<Producer> {
    const { Kafka, Partitioners } = loadKafka();
    const { client, metadataMaxAge } = kafkaOptions(this.#conf);
    const producer = new Kafka(client).producer({
      metadataMaxAge,
      createPartitioner: Partitioners.DefaultPartitioner,
      retry: client.retry,
    });
    await producer.connect();
    if (this.#closed) disconnect(producer);
    return producer;
  }
}

function disconnect(producer: Producer): void {
  producer.disconnect().catch(() => undefined);
}
