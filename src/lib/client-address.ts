import { isIP } from "node:net";

/** An address that a header or an argument gives for a client; port 0: none was given. */
export interface ClientAddress {
  readonly address: string;
  readonly port: number;
}

/** Reads `address`, `address:port`, `[address]`, `[address]:port`; `null` for anything else. */
export function parseClientAddress(text: string): ClientAddress | null {
  if (isIP(text) !== 0) return { address: text, port: 0 };
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([0-9.]+))(?::(\d{1,5}))?$/.exec(text);
  if (match === null) return null;
  const address = match[1] ?? match[2]!;
  const port = Number(match[3] ?? 0);
  return isIP(address) === (match[1] === undefined ? 4 : 6) && port <= 65_535 ? { address, port } : null;
}
