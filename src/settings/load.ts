import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join, relative, resolve } from "node:path";
import { reasonOf } from "../lib/errors.ts";
import { buildSettings } from "./build-settings.ts";
import { checkConfig } from "./check.ts";
import type { CheckedConfig } from "./checked-config.ts";
import { type ConfigText, parseConfigText } from "./config-text.ts";
import { reportDiscovery } from "./discovery-settings.ts";
import { below, substituteVariables } from "./environment.ts";
import { warnOfIdleKeys } from "./inspect.ts";
import { isMapping, type KeyPath, type Mapping, pathsTouch, valueAt } from "./key-path.ts";
import { configSchema } from "./keys/config.ts";
import type { Key } from "./keys/key.ts";
import { reportConflicts } from "./listeners.ts";
import { reportPrometheusFaults } from "./prometheus-settings.ts";
import { Report } from "./report.ts";
import type { Finding, Settings } from "./settings.ts";
import { chooseSource, profiled } from "./source-settings.ts";
import { reportStreams } from "./stream-settings.ts";
import { checkTrustedCertificates } from "./trusted-certificates.ts";
import { reportTls } from "./tls-settings.ts";

export interface LoadOptions {
  /** Directory that holds conf/, logs/ and data/. */
  readonly prefix: string;
  /** Instead of `<prefix>/conf/config.yaml`; relative to the working directory. */
  readonly configFile?: string;
  readonly env?: NodeJS.ProcessEnv;
}

export interface LoadedSettings {
  /** `null` where a finding is an error. Frozen. */
  readonly settings: Settings | null;
  /** Everything that was found, in the order of the file. */
  readonly findings: Finding[];
}

/** Reads config.yaml. Never throws: whatever is wrong, all of it at once, is in the findings. */
export function loadSettings(options: LoadOptions): LoadedSettings {
  const env = options.env ?? process.env;
  const prefix = resolve(options.prefix);
  const profile = env["APISIX_PROFILE"] ?? "";
  const configFile = resolve(options.configFile ?? join(prefix, "conf", profiled("config", profile, "yaml")));
  const shownFile = shownName(configFile);

  const text = readConfig(configFile);
  if ("error" in text) {
    const report = new Report(shownFile, () => 0);
    report.errorAt(text.line, text.error);
    return { settings: null, findings: report.findings() };
  }

  const report = new Report(shownFile, text.lineOf);
  for (const { path, lines } of text.repeated) {
    const times = lines.length === 2 ? "twice" : `${lines.length} times`;
    report.warning(path, `written ${times}, in lines ${listOf(lines)}; the last one wins`);
  }
  const settings = evaluate(text.value, { prefix, profile, configFile, env }, report);
  const findings = report.findings();
  const failed = findings.some(({ severity }) => severity === "error");
  return { settings: failed || settings === null ? null : deepFreeze(settings), findings };
}

interface Place {
  readonly prefix: string;
  readonly profile: string;
  readonly configFile: string;
  readonly env: NodeJS.ProcessEnv;
}

function evaluate(written: Mapping, place: Place, report: Report): Settings | null {
  const substituted = substituteVariables(withoutNulls(written, configSchema), configSchema, place.env);
  for (const { path, name } of substituted.missing) {
    report.error(path, `environment variable ${name} is not set; set it, or give a default: \${{${name}:=default}}`);
  }
  warnOfIdleKeys(substituted.value, report);

  const { value, invalid } = checkConfig(
    withEtcdHosts(substituted.value, place.env, report),
    substituted.missing.map(({ path }) => path),
    { allowPortZero: place.env["TURNPIKE_ALLOW_PORT_ZERO"] === "1" },
    report,
  );
  const config = value as unknown as CheckedConfig;
  reportConflicts(config, invalid, (path) => valueAt(written, path) !== undefined, report);
  reportPrometheusFaults(config.plugin_attr.prometheus, invalid, report);
  reportStreams(config, report);
  reportDiscovery(config, invalid, place.env, report);
  checkTrustedCertificates(config, place.prefix, report);
  reportTls(config, invalid, report);
  const source = chooseSource(config.deployment, place, invalid, report);
  const workers = workerCount(config, place.env, invalid, report);
  if (source === null || workers === null) return null;
  const pluginAttr = isMapping(substituted.value["plugin_attr"]) ? substituted.value["plugin_attr"] : {};
  return buildSettings(config, { ...place, source, workers, pluginAttr });
}

/** What images of APISIX are told through their environment: the members of etcd, a JSON list, instead of those in the file. */
function withEtcdHosts(config: Mapping, env: NodeJS.ProcessEnv, report: Report): Mapping {
  const text = env["APISIX_DEPLOYMENT_ETCD_HOST"] ?? "";
  if (text === "") return config;
  const host = listOfTexts(text);
  if (host === null) {
    report.error(
      ["deployment", "etcd", "host"],
      `found ${JSON.stringify(text)} in the environment variable APISIX_DEPLOYMENT_ETCD_HOST, expected a JSON list such as ["http://etcd:2379"]`,
    );
    return config;
  }
  const deployment = isMapping(config["deployment"]) ? config["deployment"] : {};
  const etcd = isMapping(deployment["etcd"]) ? deployment["etcd"] : {};
  return { ...config, deployment: { ...deployment, etcd: { ...etcd, host } } };
}

function listOfTexts(text: string): readonly string[] | null {
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) && value.every((item) => typeof item === "string") ? value : null;
  } catch {
    return null;
  }
}

function readConfig(file: string): ConfigText | { readonly line: number; readonly error: string } {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (thrown) {
    const missing = (thrown as NodeJS.ErrnoException).code === "ENOENT";
    const error = missing
      ? "there is no such file; write one (docs/configuration.md has an example to start from), or name another directory with -p or another file with -c"
      : `cannot be read: ${reasonOf(thrown)}`;
    return { line: 0, error };
  }
  return parseConfigText(text);
}

/** A key without a value is as good as not written, except where null means something. */
function withoutNulls(value: Mapping, key: Key): Mapping {
  const rows = Object.entries(value).flatMap(([name, child]): [string, unknown][] => {
    const known = below(key, name);
    if (child === null && known !== undefined && !known.type.includes("null")) return [];
    return [[name, isMapping(child) && known !== undefined ? withoutNulls(child, known) : child]];
  });
  return Object.fromEntries(rows);
}

/** Number of workers; the environment wins over everything, development mode over the key. */
function workerCount(
  config: CheckedConfig,
  env: NodeJS.ProcessEnv,
  invalid: readonly KeyPath[],
  report: Report,
): number | null {
  const path = ["nginx_config", "worker_processes"];
  const fromEnv = env["APISIX_WORKER_PROCESSES"] ?? "";
  if (fromEnv !== "") {
    const count = Math.floor(Number(fromEnv));
    if (count >= 1 && count <= 256) return count;
    report.error(
      path,
      `found ${JSON.stringify(fromEnv)} in the environment variable APISIX_WORKER_PROCESSES, expected a whole number from 1 to 256`,
    );
    return null;
  }
  if (invalid.some((other) => pathsTouch(other, path))) return null;
  if (config.apisix.enable_dev_mode) return 1;
  const { worker_processes: written } = config.nginx_config;
  return written === "auto" ? Math.min(availableParallelism(), 256) : Number(written);
}

/** The file as messages name it: relative where it lies in the working directory. */
function shownName(file: string): string {
  const fromHere = relative(process.cwd(), file);
  return fromHere.startsWith("..") ? file : fromHere;
}

function listOf(lines: readonly number[]): string {
  return `${lines.slice(0, -1).join(", ")} and ${lines.at(-1)}`;
}

function deepFreeze<T>(value: T): T {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) return value;
  for (const child of Object.values(value)) deepFreeze(child);
  return Object.freeze(value);
}
