import { describePlugins, enabledPlugins } from "../../plugins/plugin-answers.ts";
import type { UserPluginTable } from "../../plugins/user/user-plugin-table.ts";
import { resourceSchemas } from "../../schema/resource-schemas.ts";
import type { Settings } from "../../settings/settings.ts";
import type { Endpoint } from "./endpoint.ts";

/** `GET /v1/schema`: the schemas of every kind and of the enabled plugins. */
export function schemaEndpoints(enabled: EnabledPlugins): readonly Endpoint[] {
  return [{ method: "GET", path: "/v1/schema", answer: () => ({ status: 200, body: allSchemas(enabled) }) }];
}

type EnabledPlugins = Pick<Settings, "plugins" | "streamPlugins"> & { readonly users: UserPluginTable };

function allSchemas({ plugins, streamPlugins, users }: EnabledPlugins): object {
  const { http, stream } = enabledPlugins(plugins, streamPlugins, users);
  return {
    main: resourceSchemas,
    plugins: describePlugins(http, "http"),
    stream_plugins: describePlugins(stream, "stream"),
  };
}
