import { schemaOf, validateResource } from "../../schema/validate.ts";
import { checkRules } from "../../schema/rules.ts";
import { checkResource, type ResourceCheck } from "../../store/check-resource.ts";
import type { AdminCatalogue } from "./catalogue.ts";

export function buildCatalogue(check: ResourceCheck): AdminCatalogue {
  return {
    validate(kind, id, value) {
      const r = validateResource(kind, value, id);
      if ("error" in r)
        return r.error.startsWith("invalid secret manager") ? r.error : `invalid configuration: ${r.fault.message}`;
      const [f] = checkRules(kind, r.value);
      if (f !== undefined) return f.message;
      const c = checkResource(kind, id, value, { ...check, checkSupport: () => null });
      return "error" in c && !c.error.includes("not available in this version") ? c.error : null;
    },
    validateSchema(kind, value) {
      const r = validateResource(kind, value, "");
      return "error" in r ? r.fault.message : null;
    },
    pluginNames: () => [...check.plugins.keys()],
    pluginAttributes: () => ({}),
    pluginSchema: (name) => (check.plugins.get(name)?.schema as object) ?? null,
    namedSchema: (name) => (name === "route" ? (schemaOf("routes", "") as object) : null),
  };
}
