import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { type LoadedSettings, loadSettings } from "./load.ts";
import { formatFinding, type Settings } from "./settings.ts";

/** Four lines that every file needs. */
export const dataPlane = "deployment:\n  role: data_plane\n  role_data_plane:\n    config_provider: yaml\n";

/** Loads a file with this text from a prefix of its own. */
export function load(t: TestContext, text: string, env: NodeJS.ProcessEnv = {}): LoadedSettings {
  const prefix = mkdtempSync(join(tmpdir(), "turnpike-settings-"));
  t.after(() => rmSync(prefix, { recursive: true }));
  mkdirSync(join(prefix, "conf"));
  writeFileSync(join(prefix, "conf", "config.yaml"), text);
  return loadSettings({ prefix, env });
}

/** Settings of a file that has nothing to complain about. */
export function loadClean(t: TestContext, text: string, env: NodeJS.ProcessEnv = {}): Settings {
  const { settings, findings } = load(t, dataPlane + text, env);
  assert.deepEqual(findings.map(formatFinding), []);
  assert.ok(settings);
  return settings;
}

/** `line severity field: message` of everything found; a data plane stands in the first four lines. */
export function complaints(t: TestContext, text: string, env: NodeJS.ProcessEnv = {}): string[] {
  const { settings, findings } = load(t, dataPlane + text, env);
  assert.equal(
    settings === null,
    findings.some(({ severity }) => severity === "error"),
  );
  return findings.map(({ line, severity, field, message }) => `${line} ${severity} ${field}: ${message}`);
}
