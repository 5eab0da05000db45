import { performance } from "node:perf_hooks";
import type { DuplexCall } from "./channel.ts";
import type { EtcdCluster, Member } from "./cluster.ts";
import { EtcdError } from "./etcd-error.ts";
import { rangeOf } from "./key-range.ts";
import { EVENT_DELETE, type KeyValue, WATCH_PATH, type WatchResponse, watchRequest, watchResponse } from "./rpc.ts";

/** How often a silent watch is asked whether it lives. */
export const ASK_MS = 1_000;
/** How long it may stay silent although it is asked. */
const SILENCE_MS = 5_000;

/** A key that was put or deleted. */
export interface WatchedChange {
  readonly kv: KeyValue;
  readonly deleted: boolean;
}

export interface WatchHandlers {
  /** The member has accepted the watch. */
  started(): void;
  /** Everything that one revision changed. */
  changed(revision: number, changes: readonly WatchedChange[]): void;
  /** The member's store has come to this revision; changes up to it may still be on their way. */
  advanced(revision: number): void;
}

/**
 * Watches `prefix` from `fromRevision` on. Rejects with the reason when the watch has come
 * to an end, for whatever cause: changes after the last that was handed over may have been
 * missed. Resolves only when `signal` is aborted.
 */
export async function watchPrefix(
  cluster: EtcdCluster,
  prefix: string,
  fromRevision: number,
  silenceMs: number,
  handlers: WatchHandlers,
  signal: AbortSignal,
): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    let call: DuplexCall | null = null;
    let member: Member | null = null;
    let heardAt = performance.now();
    let seen = fromRevision - 1;
    const finish = (error: unknown): void => {
      clearInterval(ticker);
      signal.removeEventListener("abort", stop);
      call?.cancel();
      if (error === null) resolve();
      else reject(error);
    };
    const stop = (): void => finish(null);
    const ticker = setInterval(() => {
      const silent = performance.now() - heardAt;
      if (silent > Math.min(silenceMs, SILENCE_MS)) {
        member?.markFailed();
        finish(new Error(`${member?.name ?? "a member"}: the watch fell silent`));
      } else call?.send(watchRequest.encode({ progress: {} }));
    }, ASK_MS);
    signal.addEventListener("abort", stop);

    const take = (response: WatchResponse): void => {
      heardAt = performance.now();
      if (response.canceled) return finish(cancelled(response, cluster));
      if (response.created) handlers.started();
      for (const [revision, changes] of byRevision(response)) {
        // Some versions repeat what came before the revision that was asked for.
        if (revision <= seen) continue;
        seen = revision;
        handlers.changed(revision, changes);
      }
      if (response.header !== null && response.events.length === 0) handlers.advanced(response.header.revision);
    };
    cluster
      .stream(WATCH_PATH, {
        message: (message) => {
          if (signal.aborted) return;
          try {
            take(watchResponse.decode(message));
          } catch (error) {
            finish(error);
          }
        },
        ended: finish,
      })
      .then((opened) => {
        ({ call, member } = opened);
        if (signal.aborted) return call.cancel();
        call.send(
          watchRequest.encode({ create: { ...rangeOf(prefix), startRevision: fromRevision, progressNotify: true } }),
        );
      }, finish);
  });
}

function cancelled(response: WatchResponse, cluster: EtcdCluster): Error {
  const { compactRevision, cancelReason } = response;
  if (compactRevision > 0) return new EtcdError(11, `compacted up to revision ${compactRevision}`, { answered: true });
  // etcd does not always say so where it is the token that it refuses.
  cluster.renewToken();
  return new Error(`the watch was refused: ${cancelReason === "" ? "no reason given" : cancelReason}`);
}

/** The events by revision, in order; one revision never spans two responses. */
function byRevision({ events }: WatchResponse): Map<number, WatchedChange[]> {
  const groups = new Map<number, WatchedChange[]>();
  for (const { type, kv } of events) {
    if (kv === null) continue;
    const change = { kv, deleted: type === EVENT_DELETE };
    const group = groups.get(kv.modRevision);
    if (group === undefined) groups.set(kv.modRevision, [change]);
    else group.push(change);
  }
  return groups;
}
