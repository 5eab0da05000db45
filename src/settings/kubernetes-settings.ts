import { existsSync } from "node:fs";
import type { KubernetesConfig } from "./checked-config.ts";
import type { KeyPath } from "./key-path.ts";
import type { KubernetesSettings } from "./settings.ts";

/** What a pod finds in its file system. */
const ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount";

const variable = /\$\{(\w+)\}/g;

/** A cluster as discovery uses it; what is not written is what a pod has. */
export function kubernetesSettings(config: KubernetesConfig, env: NodeJS.ProcessEnv): KubernetesSettings {
  const { service, client, namespace_selector: namespaces } = config;
  const fill = (text: string): string => text.replaceAll(variable, (_, name: string) => env[name] ?? "");
  const token = client.token === undefined ? null : fill(client.token).trim();
  const host = fill(service.host);
  const caFile = isOwnCluster(host, env) && existsSync(`${ACCOUNT}/ca.crt`) ? `${ACCOUNT}/ca.crt` : null;
  const retryMs = Number(config.watch_retry_interval_seconds) * 1_000;
  return {
    id: config.id ?? null,
    secure: service.schema !== "http",
    host,
    port: Number(fill(String(service.port))),
    token,
    tokenFile: token === null ? fill(client.token_file ?? `${ACCOUNT}/token`) : null,
    verify: service.ssl_verify ?? caFile !== null,
    caFile,
    slices: config.watch_endpoint_slices,
    weight: Number(config.default_weight),
    namespaces: {
      ...(namespaces.equal === undefined ? {} : { equal: namespaces.equal }),
      ...(namespaces.not_equal === undefined ? {} : { notEqual: namespaces.not_equal }),
      ...(namespaces.match === undefined ? {} : { match: namespaces.match }),
      ...(namespaces.not_match === undefined ? {} : { notMatch: namespaces.not_match }),
    },
    labelSelector: config.label_selector ?? null,
    watchSeconds: Number(config.watch_timeout_seconds),
    jitterSeconds: Number(config.watch_jitter_seconds),
    retryMs,
    maxRetryMs: Math.max(retryMs, Number(config.watch_retry_max_seconds) * 1_000),
  };
}

/** Whether it is the API server of the cluster that the gateway is a pod of: another one has another authority. */
function isOwnCluster(host: string, env: NodeJS.ProcessEnv): boolean {
  return host === env["KUBERNETES_SERVICE_HOST"] || /^kubernetes\.default(\.svc(\..+)?)?$/.test(host);
}

/** Variables of the environment that a cluster asks for and that are not there. */
export function unsetVariables(
  { service, client }: KubernetesConfig,
  env: NodeJS.ProcessEnv,
): readonly { readonly path: KeyPath; readonly name: string }[] {
  const texts: readonly (readonly [KeyPath, string | number | undefined])[] = [
    [["service", "host"], service.host],
    [["service", "port"], service.port],
    [["client", "token"], client.token],
    [["client", "token_file"], client.token_file],
  ];
  return texts.flatMap(([path, text]) =>
    Array.from(String(text ?? "").matchAll(variable), ([, name = ""]) => ({ path, name })).filter(
      ({ name }) => (env[name] ?? "") === "",
    ),
  );
}
