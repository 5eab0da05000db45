import { isSecretName, MASK } from "../schema/secret-names.ts";

/**
 * `text` without the secrets of the configuration it speaks of: the values of
 * fields that are named like secrets or listed in `encryptFields` (paths as in
 * `redis.password`).
 */
export function maskSecrets(text: string, conf: unknown, encryptFields: readonly string[] = []): string {
  const secrets = new Set<string>();
  collectSecrets(conf, false, "", new Set(encryptFields), secrets);
  return maskTexts(text, secrets);
}

/**
 * `text` without any of `secrets`, as they are and as JSON writes them: for values
 * that references stood for, which may be in fields of any name.
 */
export function maskValues(text: string, secrets: Iterable<string>): string {
  return maskTexts(text, new Set(Array.from(secrets).flatMap((secret) => [secret, inJson(secret)])));
}

function maskTexts(text: string, secrets: ReadonlySet<string>): string {
  let masked = text;
  // Longer ones first: a secret may contain another one.
  for (const secret of [...secrets].sort((a, b) => b.length - a.length)) {
    if (secret === "") continue;
    masked = secret.length >= 4 ? masked.replaceAll(secret, MASK) : masked.replaceAll(wordOf(secret), MASK);
  }
  return masked;
}

function collectSecrets(
  value: unknown,
  secret: boolean,
  path: string,
  listed: ReadonlySet<string>,
  found: Set<string>,
): void {
  if (typeof value === "object" && value !== null) {
    for (const [name, field] of Object.entries(value)) {
      // Indexes of arrays are no part of a path.
      const inner = Array.isArray(value) ? path : path === "" ? name : `${path}.${name}`;
      collectSecrets(field, secret || listed.has(inner) || isSecretName(name), inner, listed, found);
    }
    return;
  }
  if (!secret || typeof value === "boolean" || value === null || value === undefined || value === "") return;
  found.add(String(value));
  found.add(inJson(value));
}

/** As it stands between the quotes of a JSON text. */
const inJson = (value: unknown): string => JSON.stringify(value).replace(/^"|"$/g, "");

/** A very short secret is only masked where it stands as a word: it would tear other words apart. */
function wordOf(secret: string): RegExp {
  return new RegExp(`(?<![\\p{L}\\p{N}_])${RegExp.escape(secret)}(?![\\p{L}\\p{N}_])`, "gu");
}
