import { existsSync } from "node:fs";
import type { Scalar } from "./checked-config.ts";
import type { KubernetesSettings } from "./settings.ts";

/** `discovery.kubernetes`, or one of its clusters, as it is written. */
export interface KubernetesConfig {
  readonly id?: string;
  readonly service?: { readonly schema?: "http" | "https"; readonly host?: string; readonly port?: Scalar };
  readonly client?: { readonly token?: string; readonly token_file?: string };
  readonly default_weight?: Scalar;
  readonly namespace_selector?: {
    readonly equal?: string;
    readonly not_equal?: string;
    readonly match?: readonly string[];
    readonly not_match?: readonly string[];
  };
  readonly label_selector?: string;
  readonly watch_timeout_seconds?: Scalar;
}

/** What a pod finds in its file system. */
const ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount";

/** A cluster as discovery uses it; what is not written is what a pod has. */
export function kubernetesSettings(config: KubernetesConfig, env: NodeJS.ProcessEnv): KubernetesSettings {
  const { service = {}, client = {}, namespace_selector: namespaces = {} } = config;
  const fill = (text: string): string => text.replaceAll(/\$\{(\w+)\}/g, (_, name: string) => env[name] ?? "");
  const token = client.token === undefined ? null : fill(client.token).trim();
  const account = `${ACCOUNT}/ca.crt`;
  return {
    id: config.id ?? null,
    secure: service.schema !== "http",
    host: fill(service.host ?? "${KUBERNETES_SERVICE_HOST}"),
    port: Number(fill(String(service.port ?? "${KUBERNETES_SERVICE_PORT}"))),
    token,
    tokenFile: token === null ? fill(client.token_file ?? `${ACCOUNT}/token`) : null,
    caFile: existsSync(account) ? account : null,
    weight: Number(config.default_weight ?? 50),
    namespaces: {
      ...(namespaces.equal === undefined ? {} : { equal: namespaces.equal }),
      ...(namespaces.not_equal === undefined ? {} : { notEqual: namespaces.not_equal }),
      ...(namespaces.match === undefined ? {} : { match: namespaces.match }),
      ...(namespaces.not_match === undefined ? {} : { notMatch: namespaces.not_match }),
    },
    labelSelector: config.label_selector ?? null,
    watchSeconds: Number(config.watch_timeout_seconds ?? 1_800),
  };
}
