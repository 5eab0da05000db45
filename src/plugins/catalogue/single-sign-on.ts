import type { PluginFacts } from "../../plugin/plugin.ts";
import type { JsonSchema } from "../../schema/json-schema.ts";
import { atLeast, fields, flag, list, maxBodySize, object, oneOfWords, string, text } from "./fields.ts";

/** Plugins that send users to an identity provider. */

const sessionSecret = text({ minLength: 8, maxLength: 32 });

const openidConnect: PluginFacts = {
  name: "openid-connect",
  priority: 2599,
  version: "0.2",
  schema: fields(
    {
      client_id: string,
      client_secret: string,
      discovery: string,
      scope: text({ default: "openid" }),
      ssl_verify: flag(true),
      timeout: { type: "integer", minimum: 1, default: 3 },
      introspection_endpoint: string,
      introspection_endpoint_auth_method: text({ default: "client_secret_basic" }),
      token_endpoint_auth_method: oneOfWords(
        ["client_secret_basic", "client_secret_post", "private_key_jwt", "client_secret_jwt"],
        "client_secret_basic",
      ),
      bearer_only: flag(false),
      session: fields(
        {
          secret: text({ minLength: 16 }),
          cookie: fields({ lifetime: { type: "integer" } }),
          storage: oneOfWords(["cookie", "redis"], "cookie"),
          redis: object,
        },
        { required: ["secret"] },
      ),
      realm: text({ default: "apisix" }),
      claim_validator: object,
      claim_schema: object,
      logout_path: text({ default: "/logout" }),
      redirect_uri: string,
      post_logout_redirect_uri: string,
      revoke_tokens_on_logout: flag(false),
      unauth_action: oneOfWords(["auth", "deny", "pass"], "auth"),
      public_key: string,
      token_signing_alg_values_expected: string,
      use_pkce: flag(false),
      set_access_token_header: flag(true),
      access_token_in_authorization_header: flag(false),
      set_id_token_header: flag(true),
      set_userinfo_header: flag(true),
      set_refresh_token_header: flag(false),
      proxy_opts: fields({
        http_proxy: text({ pattern: "^https?://" }),
        https_proxy: text({ pattern: "^https?://" }),
        http_proxy_authorization: string,
        https_proxy_authorization: string,
        no_proxy: string,
      }),
      authorization_params: object,
      client_rsa_private_key: string,
      client_rsa_private_key_id: string,
      client_jwt_assertion_expires_in: { type: "integer", default: 60 },
      renew_access_token_on_expiry: flag(true),
      access_token_expires_in: { type: "integer" },
      refresh_session_interval: { type: "integer" },
      iat_slack: { type: "integer", default: 120 },
      accept_none_alg: flag(false),
      accept_unsupported_alg: flag(true),
      access_token_expires_leeway: { type: "integer", default: 0 },
      force_reauthorize: flag(false),
      use_nonce: flag(false),
      jwk_expires_in: { type: "integer", default: 86400 },
      jwt_verification_cache_ignore: flag(false),
      cache_segment: string,
      introspection_interval: { type: "integer", default: 0 },
      introspection_expiry_claim: text({ default: "exp" }),
      introspection_addon_headers: list(text({ pattern: "^[^:]+$" }), { minItems: 1 }),
      required_scopes: list(string),
    },
    {
      required: ["client_id", "client_secret", "discovery"],
      encrypt_fields: ["client_secret", "client_rsa_private_key"],
    },
  ),
  checkConf: ({ bearer_only: bearerOnly, session }) =>
    bearerOnly === false && session === undefined
      ? 'property "session.secret" is required when "bearer_only" is false'
      : null,
};

const samlAuth: PluginFacts = {
  name: "saml-auth",
  priority: 2598,
  version: "0.1",
  schema: fields(
    {
      sp_issuer: string,
      idp_uri: string,
      idp_cert: string,
      login_callback_uri: string,
      logout_uri: string,
      logout_callback_uri: string,
      logout_redirect_uri: string,
      sp_cert: string,
      sp_private_key: string,
      auth_protocol_binding_method: oneOfWords(["HTTP-Redirect", "HTTP-POST"], "HTTP-Redirect"),
      secret: sessionSecret,
      secret_fallbacks: list(sessionSecret),
    },
    {
      required: [
        "sp_issuer",
        "idp_uri",
        "idp_cert",
        "login_callback_uri",
        "logout_uri",
        "logout_callback_uri",
        "logout_redirect_uri",
        "sp_cert",
        "sp_private_key",
      ],
      encrypt_fields: ["sp_private_key", "secret", "secret_fallbacks"],
    },
  ),
};

const casAuth: PluginFacts = {
  name: "cas-auth",
  priority: 2597,
  version: "0.1",
  schema: fields(
    {
      idp_uri: string,
      cas_callback_uri: string,
      logout_uri: string,
      cookie: fields(
        {
          secret: text({ minLength: 32 }),
          secret_fallbacks: list(text({ minLength: 32 })),
          secure: flag(true),
          samesite: oneOfWords(["Strict", "Lax", "None"], "Lax"),
        },
        { required: ["secret"] },
      ),
      max_req_body_size: maxBodySize,
    },
    { required: ["idp_uri", "cas_callback_uri", "logout_uri", "cookie"], encrypt_fields: ["cookie.secret"] },
  ),
};

const authzCasdoor: PluginFacts = {
  name: "authz-casdoor",
  priority: 2559,
  version: "0.1",
  schema: fields(
    // Without a pattern: APISIX looks for its own under a keyword that has no effect.
    { endpoint_addr: string, client_id: string, client_secret: string, callback_url: string },
    {
      required: ["callback_url", "endpoint_addr", "client_id", "client_secret"],
      encrypt_fields: ["client_secret"],
    },
  ),
};

const userinfo = (code: string, token: string, info: string): JsonSchema => ({
  app_secret: string,
  secret: sessionSecret,
  redirect_uri: string,
  code_header: text({ default: code }),
  code_query: text({ default: "code" }),
  access_token_url: text({ minLength: 1, default: token }),
  userinfo_url: text({ minLength: 1, default: info }),
  set_userinfo_header: flag(true),
  cookie_expires_in: { type: "integer", default: 86400 },
  secret_fallbacks: list(sessionSecret),
  timeout: atLeast(1, 6000),
  ssl_verify: flag(true),
});

const dingtalkAuth: PluginFacts = {
  name: "dingtalk-auth",
  priority: 2430,
  version: "0.1",
  schema: fields(
    {
      app_key: string,
      ...userinfo(
        "X-DingTalk-Code",
        "https://api.dingtalk.com/v1.0/oauth2/accessToken",
        "https://oapi.dingtalk.com/topapi/v2/user/getuserinfo",
      ),
    },
    { required: ["app_key", "app_secret", "secret", "redirect_uri"], encrypt_fields: ["app_secret", "secret"] },
  ),
};

const feishuAuth: PluginFacts = {
  name: "feishu-auth",
  priority: 2420,
  version: "0.1",
  schema: fields(
    {
      app_id: string,
      auth_redirect_uri: string,
      ...userinfo(
        "X-Feishu-Code",
        "https://open.feishu.cn/open-apis/authen/v2/oauth/token",
        "https://open.feishu.cn/open-apis/authen/v1/user_info",
      ),
    },
    {
      required: ["app_id", "app_secret", "secret", "auth_redirect_uri", "redirect_uri"],
      encrypt_fields: ["app_secret", "secret"],
    },
  ),
};

/** The plugins of this family. */
export const singleSignOn: readonly PluginFacts[] = [
  openidConnect,
  samlAuth,
  casAuth,
  authzCasdoor,
  dingtalkAuth,
  feishuAuth,
];
