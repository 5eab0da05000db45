import type { Fault } from "../messages/messages.ts";

const holds: readonly Fault[] = ["hold-start", "hold-config"];

/**
 * `TURNPIKE_FAULTS`: the switch that tests use to make workers fail; off when unset. Its value
 * names what holds from the start, as in `hold-config:9,hold-start:3`, or is `on`.
 */
export function parseFaults(text: string | undefined): ReadonlyMap<number, readonly Fault[]> {
  const faults = new Map<number, Fault[]>();
  for (const part of (text ?? "on").split(",")) {
    if (part === "on") continue;
    const [name, worker] = part.split(":");
    const fault = holds.find((hold) => hold === name);
    if (fault === undefined || !/^\d+$/.test(worker ?? "")) {
      throw new Error(`TURNPIKE_FAULTS: "${part}": on, hold-start:ID or hold-config:ID is expected`);
    }
    faults.set(Number(worker), [...(faults.get(Number(worker)) ?? []), fault]);
  }
  return faults;
}
