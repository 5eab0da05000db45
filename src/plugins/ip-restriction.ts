import { compileAddresses } from "../lib/cidr.ts";
import { addressFaultIn, firstOf } from "../plugin/conf-rules.ts";
import { definePlugin, reply } from "../plugin/plugin.ts";
import { remoteAddrSchema } from "../schema/address.ts";

const { anyOf } = remoteAddrSchema;
const addresses = { type: "array", items: { anyOf }, minItems: 1 } as const;

export const ipRestriction = definePlugin({
  name: "ip-restriction",
  summary: "Admits or turns away clients by address.",
  priority: 3000,
  version: "0.1",
  subsystems: ["http", "stream"],
  servesStreams: true,
  schema: {
    type: "object",
    properties: {
      message: {
        type: "string",
        minLength: 1,
        maxLength: 1024,
        default: "Your IP address is not allowed",
        $comment: "Message of a refusal.",
      },
      response_code: { type: "integer", minimum: 403, maximum: 404, default: 403, $comment: "Status of a refusal." },
      whitelist: { ...addresses, $comment: "Addresses and CIDR ranges that are admitted, and no others." },
      blacklist: { ...addresses, $comment: "Addresses and CIDR ranges that are turned away." },
    },
    oneOf: [{ required: ["whitelist"] }, { required: ["blacklist"] }],
  },
  checkConf: ({ whitelist, blacklist }) => firstOf(addressFaultIn(whitelist), addressFaultIn(blacklist)),

  compile(conf) {
    const listed = compileAddresses((conf.whitelist ?? conf.blacklist ?? []) as readonly string[]);
    const admitted = conf.whitelist !== undefined;
    const refusal = reply(conf.response_code, { message: conf.message });
    return {
      access: (ctx) => (listed.matches(ctx.remoteAddr) === admitted ? undefined : refusal),
    };
  },
});
