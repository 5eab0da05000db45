/**
 * What checks of schemas have in common: the faults they find and how these are put
 * together on the way up to the root.
 */

/** One thing that a value does not meet. */
export interface SchemaFault {
  /** Where: keys and 0-based indexes from the value's root. */
  readonly path: readonly (string | number)[];
  /** The whole text, the way APISIX words it: `property "uri" validation failed: …`. */
  readonly message: string;
  /** The end of `message` without the way to the field. */
  readonly detail: string;
  /** What APISIX's words leave open, as in which alternative failed why; `""` where they say all. */
  readonly hint: string;
}

/** What a check does beside judging. */
export interface Mode {
  /** Goes on after the first fault. */
  readonly all: boolean;
  /** Fills defaults in. */
  readonly fill: boolean;
}

/** `null`: the value is good. */
export type Check = (value: unknown, mode: Mode) => readonly SchemaFault[] | null;
/** Asks only whether a value is good. */
export const QUICK: Mode = { all: false, fill: false };
/** The answer to QUICK where a description would cost. */
export const UNDESCRIBED: readonly SchemaFault[] = [{ path: [], hint: "", message: "", detail: "" }];

/** Marks a fault that says that an alternative was not meant at all. */
export const WRONG_TYPE = { path: [], hint: "", wrongType: true } as const;

/** The texts of a fault that has no way to it yet. */
export const texts = (detail: string): { message: string; detail: string } => ({ message: detail, detail });

/** A fault of the value itself. */
export const fault = (detail: string): readonly SchemaFault[] => [{ ...texts(detail), path: [], hint: "" }];

/** Faults of a part, seen from the value that it is part of; `null` as key: of the value itself. */
export function below(faults: readonly SchemaFault[] | null, way: string, key: string | number | null) {
  if (faults === null) return null;
  return faults.map((one) => ({
    ...one,
    path: key === null ? one.path : [key, ...one.path],
    message: way + one.message,
  }));
}

/** Faults as a check returns them. */
export function collect(faults: readonly SchemaFault[], all: boolean): readonly SchemaFault[] | null {
  if (faults.length === 0) return null;
  return all ? faults : faults.slice(0, 1);
}

/** The whole text of a fault with what APISIX's words leave open. */
export function withHint({ message, hint }: SchemaFault): string {
  return hint === "" ? message : `${message} (${hint})`;
}
