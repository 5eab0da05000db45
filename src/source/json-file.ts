import { toDocument } from "./document.ts";
import { parseJson } from "./json-text.ts";
import type { Source } from "./source.ts";
import { createFileSource } from "./watch-file.ts";

/** `config_provider: json`: follows `conf/apisix.json`. */
export function createJsonFileSource(file: string): Source {
  return createFileSource("json", file, (text) => toDocument(file, text, parseJson(file, text)));
}
