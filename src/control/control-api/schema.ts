import { describePlugins, enabledPlugins } from "../../plugins/plugin-answers.ts";
import type { UserPluginTable } from "../../plugins/user/user-plugin-table.ts";
import { resourceSchemas } from "../../schema/resource-schemas.ts";
import type { Endpoint } from "./endpoint.ts";

/** `GET /v1/schema`: the schemas of every kind and of the enabled plugins; `names` are those of HTTP. */
export function schemaEndpoints(names: readonly string[], users: UserPluginTable): readonly Endpoint[] {
  return [{ method: "GET", path: "/v1/schema", answer: () => ({ status: 200, body: allSchemas(names, users) }) }];
}

function allSchemas(names: readonly string[], users: UserPluginTable): object {
  const { http, stream } = enabledPlugins(names, users);
  return {
    main: resourceSchemas,
    plugins: describePlugins(http, "http"),
    stream_plugins: describePlugins(stream, "stream"),
  };
}
