import { compileFilterFunction } from "../../compile/filter-function.ts";
import { certificateFault, pairFault } from "../../schema/certificates.ts";
import type { Kind } from "../../schema/kinds.ts";
import { filterFuncFault, scriptFault } from "../../schema/lua-source.ts";
import { protoFault } from "../../schema/proto-content.ts";
import { isSecretReference } from "../../schema/secret-reference.ts";
import { isFields } from "./merge-patch.ts";

type Fields = Readonly<Record<string, unknown>>;

/**
 * What is wrong with texts inside a resource that are in a language of their own: Lua,
 * protos, certificates; `null`: nothing. Only what is written is asked this: a load
 * finds out by using it. `value` has passed its schema.
 */
export function contentFault(kind: Kind, value: unknown): string | null {
  if (!isFields(value)) return null;
  switch (kind) {
    case "routes":
    case "services":
      return check(value.filter_func, functionFault) ?? check(value.script, scriptFault);
    case "protos":
      return check(value.content, protoFault);
    case "ssls":
      return certificatesFault(value);
    default:
      return null;
  }
}

/** A `filter_func` is JavaScript here and Lua in APISIX, which may share the store. */
function functionFault(source: string): string | null {
  try {
    compileFilterFunction(source, () => undefined);
    return null;
  } catch {
    return filterFuncFault(source);
  }
}

function check(text: unknown, fault: (text: string) => string | null): string | null {
  return typeof text !== "string" || isSecretReference(text) ? null : fault(text);
}

function certificatesFault({ cert, key, certs, keys, client }: Fields): string | null {
  const certificates = [cert, ...listOf(certs)];
  const privateKeys = [key, ...listOf(keys)];
  for (const [index, certificate] of certificates.entries()) {
    const privateKey = privateKeys[index];
    const fault = check(certificate, (text) => pairFault(text, typeof privateKey === "string" ? privateKey : ""));
    if (fault !== null) return fault;
  }
  const authority = isFields(client) ? check(client.ca, certificateFault) : null;
  return authority === null ? null : `failed to validate client_cert: ${authority}`;
}

const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
