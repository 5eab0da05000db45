import { expressionFault } from "./expression-syntax.ts";
import type { Kind } from "./kinds.ts";
import { parseNodeKey } from "./nodes.ts";
import type { Ssl } from "./ssl.ts";
import type { StreamRoute } from "./stream-route.ts";
import { balancers, type InlineUpstream } from "./upstream.ts";
import type { Route } from "./route.ts";
import type { SchemaFault } from "./schema-fault.ts";

/**
 * What APISIX demands of a resource beyond its schema. The texts are those of its
 * Admin API, where some begin with `invalid configuration: `.
 */

/** Every rule that a resource breaks; it has passed the schema of its kind. */
export function checkRules(kind: Kind, resource: unknown): readonly SchemaFault[] {
  switch (kind) {
    case "upstreams":
      return checkUpstream(resource as InlineUpstream, []);
    case "routes":
      return [...checkAddresses(resource as Route), ...checkInline(resource as Route), ...checkVars(resource as Route)];
    case "services":
      return checkInline(resource as { readonly upstream?: InlineUpstream });
    case "stream_routes":
      return [...checkProtocol(resource as StreamRoute), ...checkInline(resource as StreamRoute)].filter(
        concernsStreams,
      );
    case "ssls":
      return checkPairs(resource as Ssl);
    default:
      return [];
  }
}

/** A stream has no Host, so nobody asks for the one to send. */
const concernsStreams = ({ path }: SchemaFault): boolean => path.at(-1) !== "pass_host";

function checkInline({ upstream }: { readonly upstream?: InlineUpstream }): readonly SchemaFault[] {
  return upstream === undefined ? [] : checkUpstream(upstream, ["upstream"]);
}

/** The length of an IPv6 prefix, which the schema's pattern leaves open, as in APISIX. */
function checkAddresses({ remote_addr: one, remote_addrs: several = [] }: Route): readonly SchemaFault[] {
  const detail = "object matches none of the required";
  const wrong = (address: string): boolean => Number(/:.*\/(\d+)$/.exec(address)?.[1] ?? 0) > 128;
  const report = (path: SchemaFault["path"], way: string): SchemaFault => ({
    ...fault(path, detail),
    message: `invalid configuration: property "${path[0]}" validation failed: ${way}${detail}`,
  });
  return [
    ...(one !== undefined && wrong(one) ? [report(["remote_addr"], "")] : []),
    ...several.flatMap((address, index) =>
      wrong(address) ? [report(["remote_addrs", index], `failed to validate item ${index + 1}: `)] : [],
    ),
  ];
}

function checkVars({ vars }: Route): readonly SchemaFault[] {
  const reason = expressionFault(vars ?? []);
  return reason === null ? [] : [fault(["vars"], `failed to validate the 'vars' expression: ${reason}`)];
}

/** What `key` may be where `hash_on` is `vars`. */
export const hashVariable =
  "^((uri|server_name|server_addr|request_uri|remote_port|remote_addr|query_string|host|hostname|mqtt_client_id)" +
  "|arg_[0-9a-zA-z_-]+)$";
/** What `key` may be where `hash_on` is a header or a cookie. */
export const hashName = "^[a-zA-Z0-9-_]+$";

/** The rules that an upstream breaks, wherever it stands; `path` leads there. */
export function checkUpstream(upstream: InlineUpstream, path: readonly string[]): readonly SchemaFault[] {
  return [
    ...checkType(upstream, path),
    ...checkNodes(upstream, [...path, "nodes"]),
    ...checkHash(upstream, path),
    ...(upstream.pass_host === "rewrite" && (upstream.upstream_host ?? "") === ""
      ? [fault([...path, "pass_host"], "`upstream_host` can't be empty when `pass_host` is `rewrite`")]
      : []),
  ];
}

/** APISIX takes any word and fails when a request comes. */
function checkType({ type }: InlineUpstream, path: readonly string[]): readonly SchemaFault[] {
  if (balancers.includes(type)) return [];
  const detail = "matches none of the enum values";
  const way = [...path, "type"].map((name) => `property "${name}" validation failed: `).join("");
  return [{ ...fault([...path, "type"], detail), message: `invalid configuration: ${way}${detail}` }];
}

function checkNodes({ nodes }: InlineUpstream, path: readonly string[]): readonly SchemaFault[] {
  if (nodes === undefined) return [];
  if (!Array.isArray(nodes)) {
    return Object.keys(nodes).flatMap((key) => {
      const address = parseNodeKey(key);
      return typeof address === "string" ? [fault([...path, key], address)] : [];
    });
  }
  return (nodes as readonly { readonly host: string }[]).flatMap(({ host }, index) =>
    host.includes(":") && !/^\[[0-9a-fA-F:.]+\]$/.test(host)
      ? [fault([...path, index, "host"], "invalid configuration: IPv6 address must be enclosed with '[' and ']'")]
      : [],
  );
}

function checkHash(upstream: InlineUpstream, path: readonly string[]): readonly SchemaFault[] {
  const { type, key, hash_on: on } = upstream;
  if (type !== "chash" || on === "consumer") return [];
  if (key === undefined) return [fault(path, "missing key")];
  const pattern = on === "vars" ? hashVariable : on === "vars_combinations" ? "" : hashName;
  if (new RegExp(pattern).test(key)) return [];
  const message = `failed to match pattern ${JSON.stringify(pattern)} with ${JSON.stringify(key)}`;
  return [fault([...path, "key"], `invalid configuration: ${message}`)];
}

function checkProtocol({ id, protocol }: StreamRoute): readonly SchemaFault[] {
  if (protocol === undefined) return [];
  if (protocol.superior_id !== undefined && protocol.superior_id === id) {
    return [fault(["protocol", "superior_id"], "stream route can not set itself as superior_id")];
  }
  return [fault(["protocol", "name"], `unknown protocol [${protocol.name}]`)];
}

function checkPairs({ certs, keys }: Ssl): readonly SchemaFault[] {
  return (certs?.length ?? 0) === (keys?.length ?? 0) ? [] : [fault(["certs"], "mismatched number of certs and keys")];
}

const fault = (path: readonly (string | number)[], message: string): SchemaFault => ({
  path,
  message,
  detail: message,
  hint: "",
});
