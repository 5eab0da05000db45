/** Ids of plugins of users among the changes of kind `plugins`; what follows is how config.yaml names them. */
const EXTRA = "extra/";

/** The id under which an entry of `apisix.extra_plugins` travels. */
export const userPluginId = (entry: string): string => EXTRA + entry;

/** The entry of `apisix.extra_plugins` with this id; `null`: it is something else. */
export const userPluginEntry = (kind: string, id: string): string | null =>
  kind === "plugins" && id.startsWith(EXTRA) ? id.slice(EXTRA.length) : null;

/** Whether an entry names a file, not a package: it has a path or the ending of a TypeScript file. */
export const isPath = (entry: string): boolean => /^\.{0,2}\/|\.m?ts$/.test(entry);
