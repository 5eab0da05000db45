import type { PluginFacts } from "../../plugin/plugin.ts";
import { atLeast, between, fields, flag, list, oneOfWords, realm, string, text, word } from "./fields.ts";

/** Plugins that recognise consumers, and the one that combines them. */

const jweDecrypt: PluginFacts = {
  name: "jwe-decrypt",
  priority: 2509,
  version: "0.1",
  type: "auth",
  schema: fields(
    {
      header: text({ default: "Authorization" }),
      forward_header: text({ default: "Authorization" }),
      strict: flag(true),
    },
    { required: ["header", "forward_header"] },
  ),
  consumerSchema: fields(
    { key: string, secret: string, is_base64_encoded: flag(false) },
    { required: ["key", "secret"], encrypt_fields: ["key", "secret"] },
  ),
  consumerKey: "key",
  checkConsumer({ secret, is_base64_encoded: encoded }) {
    const key = encoded === true ? Buffer.from(String(secret), "base64") : Buffer.from(String(secret));
    return key.length === 32 || /^\$(secret|env):/i.test(String(secret))
      ? null
      : "the secret length should be 32 chars";
  },
};

const ldapAuth: PluginFacts = {
  name: "ldap-auth",
  priority: 2540,
  version: "0.1",
  type: "auth",
  schema: fields(
    {
      base_dn: string,
      ldap_uri: string,
      use_tls: flag(false),
      tls_verify: flag(false),
      uid: text({ default: "cn" }),
      realm: realm("ldap"),
    },
    { required: ["base_dn", "ldap_uri"], title: "work with route or service object" },
  ),
  consumerSchema: fields({ user_dn: string }, { required: ["user_dn"], title: "work with consumer object" }),
  consumerKey: "user_dn",
};

const ldapAuthAdvanced: PluginFacts = {
  name: "ldap-auth-advanced",
  priority: 2541,
  version: "0.1",
  type: "auth",
  schema: fields(
    {
      ldap_uri: word,
      base_dn: word,
      attribute: text({ minLength: 1, default: "cn" }),
      bind_dn: word,
      ldap_password: string,
      use_ldaps: flag(false),
      use_starttls: flag(false),
      ssl_verify: flag(true),
      timeout: between(1, 60000, 10000),
      keepalive: flag(true),
      keepalive_timeout: atLeast(1000, 60000),
      keepalive_pool_size: atLeast(1, 5),
      keepalive_pool_name: word,
      size_limit: atLeast(2, 2),
      time_limit: atLeast(0, 5),
      group_base_dn: word,
      group_name_attribute: word,
      group_member_attribute: word,
      user_membership_attribute: text({ minLength: 1, default: "memberOf" }),
      groups_required: list(list(string, { minItems: 1 }), { minItems: 1 }),
      consumer_required: flag(true),
      header_type: oneOfWords(["ldap", "basic"], "ldap"),
      realm: realm("ldap"),
      set_groups_header: flag(true),
    },
    {
      required: ["ldap_uri", "base_dn"],
      dependencies: { bind_dn: ["ldap_password"] },
      encrypt_fields: ["ldap_password"],
    },
  ),
  consumerSchema: fields(
    { user_dn: word, group_dn: { oneOf: [word, list(word, { minItems: 1 })] } },
    { oneOf: [{ required: ["user_dn"] }, { required: ["group_dn"] }] },
  ),
  consumerKey: "user_dn",
  checkConf: ({ use_ldaps: ldaps, use_starttls: starttls }) =>
    ldaps === true && starttls === true ? "use_ldaps and use_starttls cannot be enabled at the same time" : null,
};

const wolfRbac: PluginFacts = {
  name: "wolf-rbac",
  priority: 2555,
  version: "0.1",
  type: "auth",
  schema: fields({
    appid: text({ default: "unset" }),
    server: text({ default: "http://127.0.0.1:12180" }),
    header_prefix: text({ default: "X-" }),
    ssl_verify: flag(true),
  }),
  consumerKey: "appid",
};

/** The plugins of this family. */
export const consumerAuth: readonly PluginFacts[] = [wolfRbac, ldapAuthAdvanced, ldapAuth, jweDecrypt];
