import type { BatchSink } from "../batch/batch-processor.ts";
import type { RequestContext } from "../plugin/context.ts";
import type { PluginEnv, PluginHandlers } from "../plugin/plugin.ts";
import type { BodyConf } from "./log-bodies.ts";
import { compileLogEntries, type FormatConf } from "./log-entry.ts";

/** The attributes that all plugins have which send logs in batches; times in seconds. */
export interface LogConf extends FormatConf, BodyConf {
  readonly name: string;
  readonly max_retry_count: number;
  readonly retry_delay: number;
  readonly buffer_duration: number;
  readonly inactive_timeout: number;
  readonly batch_max_size: number;
}

/** Entries that may wait where the metadata does not say. */
const MAX_PENDING = 8_192;

/** How a plugin differs from the others. */
export interface LogTarget<Entry> {
  readonly plugin: string;
  readonly sink: BatchSink<Entry>;
  /** What is kept of a request until its batch is sent; `text` is the entry in JSON. */
  entry(text: string, ctx: RequestContext): Entry;
  /** Whether a request is logged; absent: every one. */
  readonly wanted?: (ctx: RequestContext) => boolean;
  /** Characters that may wait; absent: the usual bound. */
  readonly maxPendingSize?: number;
  /** The entry itself where it is not JSON. */
  readonly textOf?: (ctx: RequestContext) => string;
}

/** `PluginDefinition.checkMetadata` of such plugins. */
export function checkLogMetadata(metadata: Readonly<Record<string, unknown>>): void {
  compileLogEntries({}, metadata);
}

/** The handlers of a plugin that builds an entry of each request and sends them in batches. */
export function compileLogPlugin<Entry>(conf: LogConf, env: PluginEnv, target: LogTarget<Entry>): PluginHandlers {
  const { metadata } = env;
  const entries = compileLogEntries(conf, metadata);
  const batch = env.batches.open<Entry>(
    {
      plugin: target.plugin,
      name: conf.name,
      owner: env.owner,
      batchMaxSize: conf.batch_max_size,
      inactiveTimeout: conf.inactive_timeout,
      bufferDuration: conf.buffer_duration,
      maxRetryCount: conf.max_retry_count,
      retryDelay: conf.retry_delay,
      maxPendingEntries: (metadata?.max_pending_entries as number | undefined) ?? MAX_PENDING,
      ...(target.maxPendingSize === undefined ? {} : { maxPendingSize: target.maxPendingSize }),
      warn: (message) => env.warn(message),
    },
    target.sink,
  );
  const { wanted, textOf = (ctx: RequestContext) => JSON.stringify(entries.build(ctx)) } = target;
  return {
    ...entries.handlers,
    log(ctx) {
      if (wanted !== undefined && !wanted(ctx)) return;
      if (batch.full) {
        batch.drop();
        return;
      }
      const text = textOf(ctx);
      batch.push(target.entry(text, ctx), text.length, ctx.serverAddr);
    },
    dispose() {
      void batch.close();
    },
  };
}
