import { createRequire } from "node:module";

const require = createRequire(import.meta.url);

/**
 * Why `content` of a proto cannot be used, in the words of APISIX but for the reason
 * itself; `null` where it can: the text of a .proto file without imports, or a
 * FileDescriptorSet in base64.
 */
export function protoFault(content: string): string | null {
  if (isDescriptorSet(content)) return null;
  // Loaded when first needed: hardly any configuration has protos.
  const protobuf = require("protobufjs") as typeof import("protobufjs");
  try {
    const root = new protobuf.Root();
    const { imports = [] } = protobuf.parse(content, root, { keepCase: true });
    if (imports.length > 0) return `invalid content: import of ${imports[0]} is not possible, files stand alone here`;
    root.resolveAll();
    return null;
  } catch (error) {
    // The parser stumbles over a text that ends too early.
    const reason = error instanceof TypeError ? "the text ends within a definition" : (error as Error).message;
    return `invalid content: ${reason}`;
  }
}

/** Whether a text is base64 of what may be a FileDescriptorSet: nothing but fields number 1 with a length. */
function isDescriptorSet(content: string): boolean {
  if (!/^[A-Za-z0-9+/\s]+={0,2}\s*$/.test(content)) return false;
  const bytes = Buffer.from(content, "base64");
  let at = 0;
  while (at < bytes.length) {
    if (bytes[at++] !== 0x0a) return false;
    let length = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at++];
      if (byte === undefined || shift > 21) return false;
      length |= (byte & 0x7f) << shift;
      if (byte < 0x80) break;
    }
    at += length;
  }
  return bytes.length > 0 && at === bytes.length;
}
