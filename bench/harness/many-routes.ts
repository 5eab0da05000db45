/** 50,000 routes as they are in the field: own and shared hosts, wildcards, prefixes, exact paths. */
export const MANY = 50_000;

/** One of them; `bench/programs/many.lua` asks for them. */
function manyRoute(index: number): object {
  const host = [
    `host-${index}.example.com`,
    `*.tenant-${index % 5_000}.example.org`,
    `shared-${index % 50}.example.net`,
  ][index % 4];
  return {
    id: String(index),
    name: `route-${index}`,
    ...(host === undefined ? {} : { host }),
    uri: index % 2 === 0 ? `/api/v${index % 3}/resource-${index}/*` : `/api/v${index % 3}/item/${index}`,
    labels: { team: `team-${index % 97}`, env: "prod" },
    upstream_id: "1",
  };
}

/** A standalone document with `count` routes; `version` marks the one in the middle, as a change of one route does. */
export function manyRoutes(provider: "yaml" | "json", origin: number, count = MANY, version = 0): string {
  const node = `127.0.0.1:${origin}`;
  const routes = Array.from({ length: count }, (_, i) => manyRoute(i));
  const middle = Math.floor(count / 2);
  routes[middle] = { ...routes[middle], desc: `version ${version}` };
  if (provider === "json") {
    return JSON.stringify({ routes, upstreams: [{ id: "1", type: "roundrobin", nodes: { [node]: 1 } }] });
  }
  const rows = routes.map((route) => yamlRow(route as Record<string, unknown>));
  return `routes:\n${rows.join("")}upstreams:\n  - {id: "1", type: roundrobin, nodes: {"${node}": 1}}\n`;
}

function yamlRow(route: Readonly<Record<string, unknown>>): string {
  const lines = Object.entries(route).map(([name, value]) =>
    typeof value === "object" && value !== null
      ? `${name}:\n${Object.entries(value)
          .map(([key, text]) => `      ${key}: ${text}\n`)
          .join("")}`
      : `${name}: ${JSON.stringify(value)}\n`,
  );
  return `  - ${lines.join("    ")}`;
}
