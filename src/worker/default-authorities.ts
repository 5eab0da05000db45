import { readFileSync } from "node:fs";
import { reasonOf } from "../lib/errors.ts";
import { loadTls } from "../lib/lazy-tls.ts";
import type { Logger } from "../observe/logger.ts";

/**
 * Has every client of TLS in this thread that names no authorities (those of plugins: forward-auth,
 * loggers, a Redis) trust what upstreams are verified with: the certificates of a file, and those of
 * `NODE_EXTRA_CA_CERTS`. A file that holds none is told in the error log; then the system's count.
 */
export function setDefaultAuthorities(file: string, log: Pick<Logger, "error">): void {
  const { getCACertificates, setDefaultCACertificates } = loadTls();
  try {
    const certificates = readFileSync(file, "utf8").match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g);
    if (certificates === null) throw new Error("there is no certificate in it");
    setDefaultCACertificates([...certificates, ...getCACertificates("extra")]);
  } catch (error) {
    log.error(`apisix.ssl.ssl_trusted_certificate: ${file}: ${reasonOf(error)}; plugins trust what the system does`);
  }
}
