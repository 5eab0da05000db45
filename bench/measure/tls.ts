import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { makePair } from "../../src/tls/testing.ts";
import { freePort } from "../../test/support/ports.ts";
import { oneRoute } from "../harness/gateway.ts";
import { compare, comparisonTable, ratio } from "../harness/pairs.ts";
import { PROXY_CORE } from "../harness/processes.ts";
import type { Measurement } from "../harness/stage.ts";
import { ratioCell } from "../harness/table.ts";

/** The same GET over TLS 1.3 on kept-alive connections, and with a full handshake for each. */
export const tlsMeasurement: Measurement = {
  name: "tls",
  tools: ["nginx", "wrk"],
  async run(stage) {
    const pair = makePair({ name: "localhost" });
    const file = (name: string): string => join(stage.directory, name);
    writeFileSync(file("tls.crt"), pair.cert);
    writeFileSync(file("tls.key"), pair.key);
    const origin = await stage.origin();
    const certificate = `ssl_certificate ${file("tls.crt")}; ssl_certificate_key ${file("tls.key")};`;
    const nginx = await stage.nginx(origin, `${certificate} ssl_protocols TLSv1.2 TLSv1.3; ssl_session_tickets off;`);
    const ssl = JSON.stringify({ id: "1", sni: "localhost", ...pair });
    const turnpike = await stage.turnpike({
      core: PROXY_CORE,
      standalone: `${oneRoute(origin.port)}ssls: [${ssl}]\n`,
      tlsPort: await freePort(),
    });
    const kept = { tls: true };
    const programs = [nginx, turnpike];
    const keepAlive = await compare(
      programs.map((program) => ({ program, load: kept })),
      stage.extent,
    );
    const fresh = { tls: true, connections: 16, headers: { Connection: "close" } };
    const handshakes = await compare(
      programs.map((program) => ({ program, load: fresh })),
      stage.extent,
    );
    return {
      headline: `CPU per request over TLS vs nginx: ${ratioCell(ratio(keepAlive, 1))} kept alive (budget 1.5), ${ratioCell(ratio(handshakes, 1))} with a full handshake each`,
      tables: [
        comparisonTable("Proxied GET of 12 bytes over TLS 1.3, kept alive", keepAlive),
        comparisonTable("The same with a full handshake for each request", handshakes, {
          notes: ["ECDSA P-256, no resumption: requests/s are handshakes/s."],
        }),
      ],
    };
  },
};
