import type { Kind } from "../../schema/kinds.ts";
import type { LoadedView } from "../../store/loaded-view.ts";
import { refuse, type ControlAnswer, type Endpoint } from "./endpoint.ts";
import type { IndexLookup } from "./indexes.ts";
import { showResource } from "./shown.ts";

const METADATA = "plugin_metadata";

/** What the endpoints of resources read. */
export interface ResourcesDeps {
  /** There once this control thread has taken over what is being served. */
  readonly loaded: Promise<LoadedView>;
  readonly indexes: IndexLookup;
  /** What stands before keys: `/apisix` for stores, nothing for files and pushed configurations. */
  readonly prefix: string;
}

/**
 * What is loaded, whether the source can be reached or not: `/v1/routes`, `/v1/services`,
 * `/v1/upstreams`, `/v1/plugin_metadatas`, and each with an id: `/v1/route/1`.
 */
export function resourceEndpoints(deps: ResourcesDeps): readonly Endpoint[] {
  const kinds = [
    ["routes", "route"],
    ["services", "service"],
    ["upstreams", "upstream"],
  ] as const;
  const shown = kinds.flatMap(([kind, singular]): readonly Endpoint[] => [
    { method: "GET", path: `/v1/${kind}`, answer: () => listOf(deps, kind) },
    { method: "GET", path: `/v1/${singular}/`, answer: ({ rest }) => oneOf(deps, kind, singular, rest[0]) },
  ]);
  return [
    ...shown,
    {
      method: "GET",
      path: "/v1/plugin_metadatas",
      async answer() {
        const loaded = await deps.loaded;
        return { status: 200, body: loaded.ids(METADATA).flatMap((id) => loaded.get(METADATA, id) ?? []) };
      },
    },
    { method: "GET", path: "/v1/plugin_metadata/", answer: async ({ rest }) => metadataOf(await deps.loaded, rest[0]) },
  ];
}

async function listOf({ loaded: view, indexes, prefix }: ResourcesDeps, kind: Kind): Promise<ControlAnswer> {
  const loaded = await view;
  const indexesOf = await indexes.all(kind);
  const body = loaded.ids(kind).flatMap((id) => {
    const value = loaded.get(kind, id);
    return value === undefined ? [] : [showResource(`${prefix}/${kind}/${id}`, value, indexesOf(id))];
  });
  return { status: 200, body };
}

async function oneOf(
  { loaded, indexes, prefix }: ResourcesDeps,
  kind: Kind,
  singular: string,
  id = "",
): Promise<ControlAnswer> {
  const found = await indexes.of(kind, id);
  const value = (await loaded).get(kind, id);
  if (value === undefined) return refuse(404, `${singular}[${id}] not found`);
  return { status: 200, body: showResource(`${prefix}/${kind}/${id}`, value, found) };
}

function metadataOf(loaded: LoadedView, plugin = ""): ControlAnswer {
  const body = loaded.get(METADATA, plugin);
  return body === undefined ? refuse(404, `plugin metadata[${plugin}] not found`) : { status: 200, body };
}
