import { toDocument, unreadable } from "./document.ts";
import type { Source, SourceDocument } from "./source.ts";
import { createFileSource } from "./watch-file.ts";
import { parseYaml, readPlainText } from "./yaml-text.ts";

/** `config_provider: yaml`: follows `conf/apisix.yaml`. */
export function createYamlFileSource(file: string): Source {
  return createFileSource("yaml", file, (text) => readYamlDocument(file, text));
}

function readYamlDocument(file: string, text: string): SourceDocument {
  if (!hasEnd(text)) throw unreadable(`${file}: not loaded: the line #END is missing at its end`);
  return toDocument(file, text, parseYaml(file, text), readPlainText);
}

/** Whether the last line is `#END`: APISIX's sign that the file is written to its end. */
export function hasEnd(text: string): boolean {
  return /(?:^|\n)[ \t]*#END\s*$/.test(text.slice(-4096));
}
