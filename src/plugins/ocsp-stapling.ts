import { definePlugin } from "../plugin/plugin.ts";

/**
 * Enabling it is all there is: `ssls` have the field `ocsp_stapling` then, and `src/control/stapling/`
 * does the work. In a route it does nothing, as in APISIX.
 */
export const ocspStapling = definePlugin({
  name: "ocsp-stapling",
  summary: "Lets `ssls` have `ocsp_stapling`: what the certificate's responder says is shown in the handshake.",
  priority: -44,
  version: "0.1",
  schema: { type: "object", properties: {} },

  compile() {
    return {};
  },
});
