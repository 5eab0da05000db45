import { accessSync, constants } from "node:fs";
import { resolve } from "node:path";
import type { CheckedConfig } from "./checked-config.ts";
import type { Report } from "./report.ts";

/** The file that `apisix.ssl.ssl_trusted_certificate` names; `null`: what the system trusts. */
export function trustedCertificates({ apisix: { ssl } }: CheckedConfig, prefix: string): string | null {
  const { ssl_trusted_certificate: file } = ssl;
  return file === "system" || file === "" ? null : resolve(prefix, file);
}

/** Reports a file that cannot be read, without which nodes could not be verified. */
export function checkTrustedCertificates(config: CheckedConfig, prefix: string, report: Report): void {
  const file = trustedCertificates(config, prefix);
  if (file === null) return;
  try {
    accessSync(file, constants.R_OK);
  } catch {
    report.error(["apisix", "ssl", "ssl_trusted_certificate"], `${file} cannot be read`);
  }
}
