import { readFileSync } from "node:fs";
import type { Gateway } from "../gateway.ts";

const MEGABYTE = 1 << 20;

/** Megabytes of a gateway that are in memory now. */
export function resident(gateway: Gateway): number {
  const status = readFileSync(`/proc/${gateway.child.pid}/status`, "utf8");
  return Math.round((Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) * 1024) / MEGABYTE);
}

/** The most that a gateway had in memory while something was done. */
export async function peakWhile(gateway: Gateway, work: Promise<unknown>): Promise<number> {
  let peak = resident(gateway);
  const sample = setInterval(() => (peak = Math.max(peak, resident(gateway))), 50);
  try {
    await work;
  } finally {
    clearInterval(sample);
  }
  return Math.max(peak, resident(gateway));
}
