import { isFields } from "./merge-patch.ts";

type Fields = Readonly<Record<string, unknown>>;

/**
 * `value` with its times in Unix seconds: `create_time` from the previous version
 * where there is one, `update_time` now.
 */
export function stampTimes(value: Fields, previous: unknown, now: number): Fields {
  const seconds = Math.floor(now / 1000);
  const created = isFields(previous) && typeof previous.create_time === "number" ? previous.create_time : seconds;
  return { ...value, create_time: value.create_time ?? created, update_time: seconds };
}

/** As `stampTimes` for a patched value, where the patch itself may set `update_time`. */
export function stampPatched(value: Fields, patch: unknown, now: number): Fields {
  const seconds = Math.floor(now / 1000);
  const touched = isFields(patch) && typeof patch.update_time === "number";
  return {
    ...value,
    create_time: value.create_time ?? seconds,
    update_time: touched ? value.update_time : seconds,
  };
}
