import { onDemand } from "../lib/on-demand.ts";
import type { CachedAnswer } from "./proxy-cache-store.ts";

/**
 * What workers tell each other of a cache in memory, so that it is one: each has all of it, the
 * bodies are there once. The control thread passes it on; while there is none nobody is told.
 */

/** What a worker keeps, or gives up, from now on. */
export type CacheNews =
  | {
      readonly type: "kept";
      readonly key: string;
      /** The request headers that the answer depends on, with what the request had in them. */
      readonly vary: readonly string[];
      readonly values: readonly (string | undefined)[];
      /** Its body is shared memory. */
      readonly answer: CachedAnswer;
    }
  | { readonly type: "purged"; readonly key: string };

/** @param zone what identifies the zone in every worker. */
export type TellWorkers = (zone: string, news: CacheNews) => void;

const zones = onDemand<typeof import("./proxy-cache-zones.ts")>(import.meta.url, "./proxy-cache-zones");

let tell: TellWorkers | null = null;

/** From now on zones of this thread tell others; without it they keep to themselves. */
export function connectCaches(others: TellWorkers): void {
  tell = others;
}

/** `null`: this thread has no others. */
export const tellWorkers = (): TellWorkers | null => tell;

/** Takes over what another worker has told. */
export function hearNews(zone: string, news: CacheNews): void {
  zones().memoryZone(zone).heard(news);
}
