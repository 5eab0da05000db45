import type { HealthNode, HealthReport } from "./healthcheck.ts";

const style =
  "body{font:15px/1.5 system-ui,sans-serif;margin:2rem}table{border-collapse:collapse}" +
  "th,td{border:1px solid #8888;padding:.3rem .7rem;text-align:left}.unhealthy{color:#b00}";
const columns = ["upstream", "check", "node", "status", "successes", "HTTP failures", "TCP failures", "timeouts"];

/** What health checks have found, as a page for browsers: one line for each node, nothing to load besides. */
export function healthPage(reports: readonly HealthReport[]): string {
  const rows = reports.flatMap((report) => report.nodes.map((node) => rowOf(report, node)));
  const table = `<table>\n<tr>${columns.map((name) => `<th>${name}</th>`).join("")}</tr>\n${rows.join("\n")}\n</table>`;
  return (
    `<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8"><title>Health checks</title><style>${style}</style></head>\n` +
    `<body>\n<h1>Health checks</h1>\n${rows.length === 0 ? "<p>Nothing is checked.</p>" : table}\n</body>\n</html>\n`
  );
}

function rowOf({ name, type }: HealthReport, { hostname, ip, port, status, counter }: HealthNode): string {
  const host = ip.includes(":") ? `[${ip}]` : ip;
  const node = `${host}:${port}${hostname === ip ? "" : ` (${hostname})`}`;
  const counts = [counter.success, counter.http_failure, counter.tcp_failure, counter.timeout_failure];
  const cells = [name, type, node, status, ...counts].map((cell) => `<td>${escapeHtml(String(cell))}</td>`);
  return `<tr class="${status}">${cells.join("")}</tr>`;
}

const escapeHtml = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
