import { secretManagers } from "../../schema/secret.ts";
import { findClash } from "./clashes.ts";
import type { ResourceDeps } from "./deps.ts";
import { isFields } from "./merge-patch.ts";
import { danglingReference } from "./references.ts";
import { fullId, type ResourceAddress } from "./resource-address.ts";

type Fields = Readonly<Record<string, unknown>>;

/** A resource that may be written, or the `error_msg` that says why not. */
export type CheckedConf =
  | {
      /** Below the address: the last part of the key. */
      readonly id: string;
      /** Clear text, the id inside. */
      readonly value: Fields;
    }
  | { readonly error: string };

/** What a check is about. */
export interface ConfCheck {
  readonly address: ResourceAddress;
  /** `generated`: POST makes the id, and none may be given. */
  readonly generated: string | null;
  /** PATCH may set `create_time` and `update_time`. */
  readonly timesAllowed: boolean;
}

/**
 * Judges what is to be written, in APISIX's order: the ids, the times, the schema and
 * the rules beyond it, what it refers to, what only one may have.
 */
export async function checkConf(deps: ResourceDeps, conf: unknown, check: ConfCheck): Promise<CheckedConf> {
  const { address, generated } = check;
  const { kind } = address.kind;
  const table = toTable(conf);
  if (table === null) return { error: `invalid configuration: wrong type: expected object, got ${typeName(conf)}` };
  const named = generated === null ? nameConf(address, table) : nameGenerated(address, table, generated);
  if ("error" in named) return named;
  const { id, value } = named;
  const forbidden = check.timesAllowed ? null : forbiddenTime(value);
  if (forbidden !== null) return { error: `the property is forbidden:  ${forbidden}` };
  const whole = fullId(address, id);
  const clear = deps.cipher.decryptKeys(kind, value);
  const error =
    deps.rules.validate(kind, whole, clear) ??
    deps.cipher.keyFault(kind, value) ??
    (await danglingReference(deps.repository, kind, value)) ??
    (await findClash(deps, kind, whole, clear));
  return error === null ? { id, value } : { error };
}

/** Lua has one kind of table: an empty list passes for an empty object, another one for an object with the keys 1, 2, …. */
function toTable(conf: unknown): Fields | null {
  if (!Array.isArray(conf)) return isFields(conf) ? conf : null;
  return Object.fromEntries(conf.map((item: unknown, index) => [String(index + 1), item]));
}

function typeName(value: unknown): string {
  return value === null ? "null" : typeof value;
}

type Named = { readonly id: string; readonly value: Fields } | { readonly error: string };

function nameGenerated({ kind, id }: ResourceAddress, value: Fields, generated: string): Named {
  if (id !== null || value.id !== undefined) return { error: `wrong ${kind.label} id, do not need it` };
  return { id: generated, value: { ...value, id: generated } };
}

function nameConf(address: ResourceAddress, value: Fields): Named {
  const { kind, id } = address;
  if (kind.idField === "username") return nameConsumer(id, value);
  if (kind.kind === "secrets") {
    if (id === null) return { error: kind.missing };
    const manager = address.scope.replace("/", "");
    if (!secretManagers.some((known) => known === manager)) return { error: `invalid secret manager: ${manager}` };
  }
  const given = value.id;
  if (id === null) {
    if (given === undefined) return { error: kind.missing };
    return { id: String(given), value };
  }
  const whole = kind.kind === "secrets" ? fullId(address, id) : id;
  if (given !== undefined && !isId(given, whole)) return { error: `wrong ${kind.label} id` };
  return { id, value: { ...value, id: whole } };
}

/** Numbers are ids, too; a list of one would turn into the same text. */
const isId = (given: unknown, id: string): boolean =>
  (typeof given === "string" || typeof given === "number") && String(given) === id;

/** Consumers are called by their name and store no id. */
function nameConsumer(id: string | null, value: Fields): Named {
  const name = typeof value.username === "string" ? value.username : "";
  return id !== null && name !== "" && id !== name ? { error: "wrong username" } : { id: name, value };
}

const timed = ["create_time", "update_time"];

/** Times are the server's; `false` is left to the schema. */
function forbiddenTime(value: Fields): string | null {
  for (const holder of ["", "upstream", "plugins"]) {
    const fields = holder === "" ? value : value[holder];
    if (!isFields(fields)) continue;
    const name = timed.find((one) => fields[one] !== undefined && fields[one] !== false);
    if (name !== undefined) return holder === "" ? name : `${holder}.${name}`;
  }
  return null;
}
