import { hash } from "node:crypto";
import { sameBytes } from "../lib/same-bytes.ts";
import type { Consumer, RequestContext } from "../plugin/context.ts";
import { reply } from "../plugin/plugin.ts";
import type { PluginEnv, Reply } from "../plugin/plugin.ts";

/** What the plugins that recognise consumers have in common. */

/** The realm of a challenge: nothing that could leave its quotes. */
export const realmPattern = "^[ -!#-[\\]-~]+$";

/** What requests without valid credentials get. */
export interface Refusals {
  /** A 401 with the challenge, as APISIX words it (RFC 9110 section 11.6.1); built once per configuration. */
  refusal(message: string): Reply;
  /** Takes the request for the anonymous consumer where one is configured; else `why` is the answer. */
  refuse(ctx: RequestContext, why: Reply): Reply | undefined;
}

/**
 * Compiles the refusals of a plugin. `challenge` is the value of `WWW-Authenticate`,
 * `anonymous` the attribute `anonymous_consumer`.
 */
export function compileRefusals(challenge: string, anonymous: string | undefined, env: PluginEnv): Refusals {
  const headers = [["WWW-Authenticate", challenge]] as const;
  const refusal = (message: string): Reply => reply(401, { message }, headers);
  if (anonymous === undefined) return { refusal, refuse: (_, why) => why };
  const missing = refusal("Invalid user authorization");
  return {
    refusal,
    refuse(ctx) {
      const consumer = env.consumers.byName(anonymous);
      if (consumer === undefined) {
        env.warn(`anonymous consumer ${anonymous} does not exist`);
        return missing;
      }
      ctx.authenticate(consumer);
      return undefined;
    },
  };
}

/** Something made of a consumer's configuration once, for all its requests. */
export function derivedOf<T>(derive: (authConf: Consumer["authConf"]) => T): (consumer: Consumer) => T {
  const derived = new WeakMap<object, { readonly value: T }>();
  return ({ authConf }) => {
    let known = derived.get(authConf);
    if (known === undefined) {
      known = { value: derive(authConf) };
      derived.set(authConf, known);
    }
    return known.value;
  };
}

/** A digest to compare with `equalsDigest`. */
export function digestOf(secret: string | Uint8Array): Buffer {
  return hash("sha256", secret, "buffer");
}

/** Whether a text is the one of the digest; the time tells neither its length nor how much is right. */
export function equalsDigest(given: string | Uint8Array, digest: Buffer): boolean {
  return sameBytes(digestOf(given), digest);
}
