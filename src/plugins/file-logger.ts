import { open, type FileHandle } from "node:fs/promises";
import { resolve } from "node:path";
import type { BatchSink } from "../batch/batch-processor.ts";
import { compileExpression } from "../plugin/expression.ts";
import type { PluginDefinition } from "../plugin/plugin.ts";
import { explained } from "./catalogue/fields.ts";
import { fileLogger as facts } from "./catalogue/loggers.ts";
import { logComments } from "./log-comments.ts";
import type { BodyConf } from "./log-bodies.ts";
import type { FormatConf } from "./log-entry.ts";
import { checkLogMetadata, compileLogPlugin } from "./log-plugin.ts";

interface FileLoggerConf extends FormatConf, BodyConf {
  readonly path?: string;
  readonly match?: readonly unknown[];
}

/** Lines are written when none came for a while, and after a second at the latest. */
const BATCHES = {
  name: "file-logger",
  max_retry_count: 0,
  retry_delay: 0,
  inactive_timeout: 0.1,
  buffer_duration: 1,
  batch_max_size: 1_000,
};

export const fileLogger: PluginDefinition<FileLoggerConf> = {
  ...facts,
  summary: "Appends log entries to a file, a JSON object in each line.",
  schema: explained(facts.schema, {
    ...logComments,
    path: "The file, below the prefix where it is relative; without it that of the metadata. Its directory must be there.",
    match: "Only requests for which this holds are logged.",
  }),

  checkMetadata: checkLogMetadata,

  compile(conf, env) {
    const path = conf.path ?? (env.metadata?.path as string | undefined);
    if (path === undefined) {
      // The metadata may come later, which compiles this anew; requests are served until then.
      env.warn("path is not set in either the plugin conf or the metadata: nothing is logged");
      return {};
    }
    const wanted = conf.match === undefined ? {} : { wanted: compileExpression(conf.match) };
    return compileLogPlugin<string>({ ...BATCHES, ...conf }, env, {
      plugin: facts.name,
      sink: createFileSink(resolve(env.prefix, path)),
      entry: (text) => text,
      ...wanted,
    });
  },
};

/** Appends lines to a file, one write at a time; it is opened with the first. */
export function createFileSink(path: string): BatchSink<string> {
  let file: Promise<FileHandle> | null = null;
  /** The file was rotated: the next batch opens it anew. */
  let stale = false;

  async function opened(): Promise<FileHandle> {
    if (stale) await closeFile();
    // With O_APPEND the kernel puts each write at the end, whatever other workers write.
    const opening = (file ??= open(path, "a", 0o644));
    try {
      return await opening;
    } catch (error) {
      if (file === opening) file = null;
      throw error;
    }
  }

  async function closeFile(): Promise<void> {
    const old = file;
    file = null;
    stale = false;
    await (await old?.catch(() => undefined))?.close();
  }

  return {
    concurrency: 1,
    async send(lines) {
      const handle = await opened();
      await handle.appendFile(`${lines.join("\n")}\n`);
    },
    reopen() {
      stale = true;
    },
    close() {
      void closeFile();
    },
  };
}
