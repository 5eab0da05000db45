import type { InlineUpstream } from "../schema/upstream.ts";

/** The configuration of traffic-split as far as upstreams stand in it. */
interface Rules {
  readonly rules?: readonly { readonly weighted_upstreams?: readonly { readonly upstream?: InlineUpstream }[] }[];
}

/** How the upstream of a rule is called among those of one configuration. */
export const splitPart = (rule: number, place: number): string => `${rule}.${place}`;

/** The upstreams that stand in a configuration of traffic-split, by what they are called in it. */
export function splitUpstreams(conf: Rules): readonly (readonly [part: string, upstream: InlineUpstream])[] {
  return (conf.rules ?? []).flatMap(({ weighted_upstreams: list = [] }, rule) =>
    list.flatMap(({ upstream }, place) =>
      upstream === undefined ? [] : [[splitPart(rule, place), upstream] as const],
    ),
  );
}
