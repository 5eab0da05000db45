import type { Server } from "node:http";
import type { Logger } from "../observe/logger.ts";
import type { PrometheusSettings } from "../settings/settings.ts";
import type { MetricsParts } from "./metrics/build-exporter.ts";
import type { MetricsExporter } from "./metrics/exporter.ts";
import { createMetricsServer, listenMetrics } from "./metrics/server.ts";

/** When the exporter is made although nobody has asked for metrics: it also decides which series go. */
const IDLE_START_MS = 15_000;

/**
 * The metrics of a node and the server that exports them. What makes them is loaded when it
 * is needed first, so that no start waits for it.
 */
export class Metrics {
  readonly #parts: MetricsParts;
  readonly #settings: PrometheusSettings;
  readonly #server: Server | null;
  readonly #memories: SharedArrayBuffer[] = [];
  readonly #timer: NodeJS.Timeout;
  #exporter: Promise<MetricsExporter> | null = null;
  /** Has taken in all of `#memories`. */
  #made: MetricsExporter | null = null;

  constructor(parts: MetricsParts, log: Logger) {
    this.#parts = parts;
    this.#settings = parts.prometheus;
    const source = { pieces: () => this.#pieces() };
    this.#server = this.#settings.listen === null ? null : createMetricsServer(source, this.#settings.uri, log);
    this.#timer = setTimeout(() => void this.#load(), IDLE_START_MS).unref();
  }

  /** Opens the export server where there is one; rejects with the system's error. */
  async listen(): Promise<void> {
    const { listen } = this.#settings;
    if (this.#server !== null && listen !== null) await listenMetrics(this.#server, listen);
  }

  /** Takes in what one more worker counts in. */
  add(memory: SharedArrayBuffer): void {
    this.#memories.push(memory);
    this.#made?.add(memory);
  }

  /** All metrics; `null` where they are too long to be kept in one piece. */
  async text(): Promise<string | null> {
    return await (await this.#load()).text();
  }

  async close(): Promise<void> {
    clearTimeout(this.#timer);
    (await this.#exporter)?.close();
    const server = this.#server;
    if (server === null) return;
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }

  async *#pieces(): AsyncGenerator<string> {
    yield* (await this.#load()).pieces();
  }

  #load(): Promise<MetricsExporter> {
    this.#exporter ??= this.#create();
    return this.#exporter;
  }

  async #create(): Promise<MetricsExporter> {
    const { createExporter } = await import("./metrics/build-exporter.ts");
    const exporter = createExporter(this.#parts);
    for (const memory of this.#memories) exporter.add(memory);
    this.#made = exporter;
    return exporter;
  }
}
