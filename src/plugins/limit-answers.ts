import { setTimeout } from "node:timers/promises";
import { reply, type PluginEnv, type Reply } from "../plugin/plugin.ts";

/** What a limit answers with, compiled once. */
export interface LimitAnswers {
  /** Above the limit. */
  readonly rejection: Reply;
  /** The limit could not be counted or made out; `undefined`: the request passes. Else `answer`, a bare 500 unless given. */
  failed(reason: string, answer?: Reply): Reply | undefined;
}

interface LimitConf {
  readonly rejected_code: number;
  readonly rejected_msg?: string;
  readonly allow_degradation: boolean;
}

/** A warning of the same kind is repeated after this time, milliseconds. */
const WARN_EVERY_MS = 10_000;

export function compileAnswers(conf: LimitConf, env: PluginEnv): LimitAnswers {
  const body = conf.rejected_msg === undefined ? "" : { error_msg: conf.rejected_msg };
  const failure = reply(500);
  let warnedAt = -Infinity;
  return {
    rejection: reply(conf.rejected_code, body),
    failed(reason, answer = failure) {
      const now = performance.now();
      if (now - warnedAt >= WARN_EVERY_MS) {
        warnedAt = now;
        env.warn(`${reason}; ${conf.allow_degradation ? "not limited" : "refused with 500"}`);
      }
      return conf.allow_degradation ? undefined : answer;
    },
  };
}

/** Node's timers can wait for no longer, milliseconds. */
const LONGEST_WAIT_MS = 2 ** 31 - 1;

/** Holds a request back. */
export async function waitFor(seconds: number): Promise<void> {
  await setTimeout(Math.min(seconds * 1_000, LONGEST_WAIT_MS));
}

/** Why a key could not be counted. */
export const TABLE_FULL = "there is no room to count one more key";
