// Writes the tables of docs/configuration.md from the schema of config.yaml. Run it
// after changing a key: node scripts/configuration-reference.mjs
import { readFileSync, writeFileSync } from "node:fs";
import { settingsReference } from "../src/settings/reference.ts";

const file = new URL("../docs/configuration.md", import.meta.url);
const text = readFileSync(file, "utf8");
const section = /(?<=<!-- keys -->\n).*?(?=<!-- \/keys -->)/s;
if (!section.test(text)) throw new Error("docs/configuration.md has lost its <!-- keys --> and <!-- /keys -->");
writeFileSync(
  file,
  text.replace(section, () => `\n${settingsReference()}\n`),
);
