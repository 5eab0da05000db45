import { definePlugin, reply } from "../plugin/plugin.ts";
import { hostSchema } from "../schema/address.ts";

const hosts = { type: "array", minItems: 1, items: hostSchema } as const;

export const refererRestriction = definePlugin({
  name: "referer-restriction",
  summary: "Admits or turns away requests by the host in `Referer`.",
  priority: 2990,
  version: "0.1",
  schema: {
    type: "object",
    properties: {
      bypass_missing: {
        type: "boolean",
        default: false,
        $comment: "Whether requests without the header, or with one that is no URL, pass; otherwise they are refused.",
      },
      whitelist: { ...hosts, $comment: "Hosts that are admitted, and no others; `*.foo.com` takes what ends so." },
      blacklist: { ...hosts, $comment: "Hosts that are turned away." },
      message: {
        type: "string",
        minLength: 1,
        maxLength: 1024,
        default: "Your referer host is not allowed",
        $comment: "Message of a refusal, which is a 403.",
      },
    },
    oneOf: [{ required: ["whitelist"] }, { required: ["blacklist"] }],
  },

  compile(conf) {
    const matches = compileHosts((conf.whitelist ?? conf.blacklist ?? []) as readonly string[]);
    const admitted = conf.whitelist !== undefined;
    const refusal = reply(403, { message: conf.message });
    return {
      access(ctx) {
        const host = hostOf(ctx.header("referer"));
        if (host === null) return conf.bypass_missing ? undefined : refusal;
        return matches(host) === admitted ? undefined : refusal;
      },
    };
  },
});

/** Exact names, and with `*` in front what ends with the rest. */
function compileHosts(hosts: readonly string[]): (host: string) => boolean {
  const exact = new Set(hosts.filter((host) => !host.startsWith("*")));
  const ends = hosts.filter((host) => host.startsWith("*")).map((host) => host.slice(1));
  return (host) => exact.has(host) || ends.some((end) => host.endsWith(end));
}

/** The host of a URL without port and user; `null` where the text is none. Several headers are none. */
function hostOf(referer: string | undefined): string | null {
  if (referer === undefined) return null;
  const match = /^https?:\/\/(?:[^/?#@\s]*@)?(\[[0-9a-fA-F:.]+\]|[^/?#@:[\]\s,]+)(?::\d*)?(?:[/?#]\S*)?$/.exec(referer);
  return match?.[1] ?? null;
}
