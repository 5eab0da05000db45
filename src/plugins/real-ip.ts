import { parseClientAddress } from "../lib/client-address.ts";
import { compileAddresses } from "../lib/cidr.ts";
import { addressFaultIn } from "../plugin/conf-rules.ts";
import { definePlugin } from "../plugin/plugin.ts";
import { compileVariable } from "../plugin/variables.ts";
import { remoteAddrSchema } from "../schema/address.ts";

const { anyOf } = remoteAddrSchema;

export const realIp = definePlugin({
  name: "real-ip",
  summary: "Takes the client's address from a header, an argument or another variable.",
  priority: 23000,
  version: "0.1",
  schema: {
    type: "object",
    properties: {
      source: {
        type: "string",
        minLength: 1,
        $comment: "Variable that holds the address, as in `arg_realip` or `http_x_forwarded_for`.",
      },
      trusted_addresses: {
        type: "array",
        items: { anyOf },
        minItems: 1,
        $comment: "Addresses and CIDR ranges of peers that are believed; without it every peer is.",
      },
      recursive: {
        type: "boolean",
        default: false,
        $comment: "Whether trusted addresses at the end of `X-Forwarded-For` are passed over.",
      },
    },
    required: ["source"],
  },
  checkConf: ({ trusted_addresses: trusted }) => addressFaultIn(trusted),

  compile(conf) {
    const read = compileVariable(conf.source);
    const isList = conf.source === "http_x_forwarded_for";
    const trusted =
      conf.trusted_addresses === undefined ? null : compileAddresses(conf.trusted_addresses as readonly string[]);

    /** The last address of a list, or the last one that is not trusted. */
    function pick(list: string): string {
      const hops = list.split(",");
      let hop = (hops.pop() ?? "").trim();
      while (
        conf.recursive &&
        trusted !== null &&
        hops.length > 0 &&
        trusted.matches(parseClientAddress(hop)?.address ?? "")
      ) {
        hop = (hops.pop() ?? "").trim();
      }
      return hop;
    }

    return {
      rewrite(ctx) {
        if (trusted !== null && !trusted.matches(ctx.remoteAddr)) return;
        const value = read(ctx);
        const found = value === undefined ? null : parseClientAddress(isList ? pick(value) : value);
        if (found !== null) ctx.setRemote(found.address, found.port === 0 ? ctx.remotePort : found.port);
      },
    };
  },
});
