/** A sampler as it is configured. */
export interface SamplerConf {
  readonly name: "always_on" | "always_off" | "trace_id_ratio" | "parent_base";
  readonly options?: {
    readonly fraction?: number;
    readonly root?: { readonly name?: SamplerConf["name"]; readonly options?: { readonly fraction?: number } };
  };
}

/** Whether a trace is recorded; `parent`: what was decided before, `null` where the trace begins here. */
export type Sampler = (traceId: string, parent: boolean | null) => boolean;

/** Decisions depend on the trace alone, so that all who see it decide alike. */
export function compileSampler({ name, options }: SamplerConf): Sampler {
  if (name === "parent_base") {
    const root = compileSampler({ name: options?.root?.name ?? "always_off", options: options?.root?.options ?? {} });
    return (traceId, parent) => parent ?? root(traceId, null);
  }
  if (name === "always_on") return () => true;
  if (name === "always_off") return () => false;
  // The lower 56 bits are random in every trace id (W3C Trace Context, level 2, section 3.2.2.3).
  const limit = Math.min(1, Math.max(0, options?.fraction ?? 0)) * 2 ** 52;
  return (traceId) => Number.parseInt(traceId.slice(-13), 16) < limit;
}
