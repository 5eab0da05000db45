import { join } from "node:path";
import type { CheckedConfig } from "./checked-config.ts";
import { type KeyPath, pathsTouch } from "./key-path.ts";
import type { Report } from "./report.ts";
import type { SourceSettings } from "./settings.ts";

const instead = "use deployment.role: data_plane with role_data_plane.config_provider: yaml or json";

/**
 * Where the configuration comes from; `null` where that is reported as an error, now or before.
 * `profile` is APISIX_PROFILE: `dev` reads conf/apisix-dev.yaml.
 */
export function chooseSource(
  deployment: CheckedConfig["deployment"],
  place: { readonly prefix: string; readonly profile: string },
  invalid: readonly KeyPath[],
  report: Report,
): SourceSettings | null {
  const { role } = deployment;
  const path: KeyPath = ["deployment", `role_${role}`, "config_provider"];
  if (invalid.some((other) => pathsTouch(other, path) || pathsTouch(other, ["deployment", "role"]))) return null;

  const provider = deployment[`role_${role}`].config_provider;
  if (role === "data_plane") {
    if (provider === "yaml" || provider === "json") {
      return { kind: provider, file: join(place.prefix, "conf", profiled("apisix", place.profile, provider)) };
    }
    const found = provider === undefined ? "not set" : `config_provider ${provider} is not available in this version`;
    report.error(path, `${found}; expected yaml or json`);
  } else if (role === "traditional" && provider === "yaml") {
    report.error(
      path,
      `config_provider yaml of role traditional (standalone with an Admin API) is not available in this version; ${instead}`,
    );
  } else {
    report.error(path, `config_provider ${provider} of role ${role} is not available in this version; ${instead}`);
  }
  return null;
}

/** The name of a file in conf/ as APISIX_PROFILE makes it. */
export function profiled(name: string, profile: string, extension: string): string {
  return `${name}${profile === "" ? "" : `-${profile}`}.${extension}`;
}
