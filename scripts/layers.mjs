// The rooms of src/ and their levels: a file may import from its own room and from
// rooms of a lower level. `npm run lint` writes these rules into the linter's
// configuration (.oxlintrc.json) and fails when they differ.
import { readFileSync, writeFileSync } from "node:fs";

const levels = {
  lib: 0,
  schema: 1,
  batch: 1,
  settings: 2,
  board: 2,
  plugin: 2,
  plugins: 3,
  source: 3,
  store: 3,
  upstream: 3,
  tls: 3,
  observe: 3,
  compile: 4,
  messages: 4,
  control: 5,
  worker: 5,
  status: 5,
  supervisor: 6,
  cli: 7,
};

/** Neighbours of the same level that may be imported: a document flows from source into store. */
const neighbours = { store: ["source"] };

const overrides = Object.entries(levels).map(([room, level]) => {
  const forbidden = Object.keys(levels).filter(
    (other) => other !== room && levels[other] >= level && !(neighbours[room] ?? []).includes(other),
  );
  return {
    files: [`src/${room}/**/*.ts`],
    rules: {
      "no-restricted-imports": [
        "error",
        {
          patterns: [
            {
              group: forbidden.flatMap((other) => [`../${other}/**`, `../../${other}/**`]),
              message: `src/${room} (level ${level}) may import from lower rooms only; see ARCHITECTURE.md.`,
            },
          ],
        },
      ],
    },
  };
});

const base = {
  $schema: "./node_modules/oxlint/configuration_schema.json",
  plugins: ["typescript", "import", "unicorn", "node"],
  categories: { correctness: "error", suspicious: "error" },
  rules: {
    "import/no-cycle": "error",
    "import/no-default-export": "error",
    "typescript/no-explicit-any": "error",
    "no-await-in-loop": "off",
    "no-shadow": "off",
    "no-underscore-dangle": "off",
    "unicorn/consistent-function-scoping": "off",
    "unicorn/no-array-sort": "off",
    "import/no-unassigned-import": "off",
    // A rule for windows; ports of threads have no origin.
    "unicorn/require-post-message-target-origin": "off",
    // Does not see that a flag changes while a loop awaits.
    "no-unmodified-loop-condition": "off",
    "max-lines": ["error", { max: 400, skipBlankLines: true, skipComments: true }],
  },
  overrides,
};

const text = `${JSON.stringify(base, null, 2)}\n`;
const file = new URL("../.oxlintrc.json", import.meta.url);
if (process.argv.includes("--write")) writeFileSync(file, text);
else if (JSON.stringify(JSON.parse(readFileSync(file, "utf8"))) !== JSON.stringify(base)) {
  console.error(".oxlintrc.json does not hold the rules of scripts/layers.mjs; run: node scripts/layers.mjs --write");
  process.exit(1);
}
