import type { Repository } from "../../source/repository.ts";
import { isFields } from "./merge-patch.ts";
import type { AdminKind } from "./resource-kinds.ts";
import { parseStored } from "./shown-resource.ts";

interface Wanted {
  readonly key: string;
  /** The reason for a resource that is not there. */
  readonly missing: string;
  readonly needsClientCertificate?: boolean;
}

/**
 * Why a resource may not refer to what it refers to; `null`: everything is there.
 * `value` has passed its schema.
 */
export async function danglingReference(
  repository: Repository,
  kind: AdminKind,
  value: unknown,
): Promise<string | null> {
  for (const { key, missing, needsClientCertificate } of wantedBy(kind, value)) {
    const found = await repository.get(key);
    if (found === null) return `${missing}, response code: 404`;
    if (needsClientCertificate !== true) continue;
    const certificate = parseStored(found);
    if (!isFields(certificate) || certificate.type !== "client") return `${missing}, wrong ssl type`;
  }
  return null;
}

function wantedBy(kind: AdminKind, value: unknown): readonly Wanted[] {
  if (!isFields(value)) return [];
  const wanted: Wanted[] = [];
  const want = (kinds: AdminKind, label: string, id: unknown, more: Partial<Wanted> = {}): void => {
    if (id === undefined) return;
    wanted.push({
      key: `${kinds}/${String(id)}`,
      missing: `failed to fetch ${label} info by ${label} id [${String(id)}]`,
      ...more,
    });
  };
  switch (kind) {
    case "consumers":
      want("consumer_groups", "consumer group", value.group_id);
      break;
    case "upstreams":
      want("ssls", "ssl", clientCertificate(value), { needsClientCertificate: true });
      break;
    case "routes":
    case "services":
    case "stream_routes":
      want("ssls", "ssl", clientCertificate(value.upstream), { needsClientCertificate: true });
      want("upstreams", "upstream", value.upstream_id);
      if (kind === "services") break;
      want("services", "service", value.service_id);
      if (kind === "routes") want("plugin_configs", "plugin config", value.plugin_config_id);
      else if (isFields(value.protocol) && value.protocol.superior_id !== undefined) {
        const id = String(value.protocol.superior_id);
        wanted.push({ key: `stream_routes/${id}`, missing: `failed to fetch stream routes[${id}]` });
      }
      break;
    default:
      break;
  }
  return wanted;
}

function clientCertificate(upstream: unknown): unknown {
  return isFields(upstream) && isFields(upstream.tls) ? upstream.tls.client_cert_id : undefined;
}
