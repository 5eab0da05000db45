import { isSecretName, MASK } from "../schema/secret-names.ts";

/**
 * `text` without the secrets of the configuration it speaks of: the values of
 * fields that are named like secrets or listed in `encryptFields` (paths as in
 * `redis.password`).
 */
export function maskSecrets(text: string, conf: unknown, encryptFields: readonly string[] = []): string {
  const secrets = new Set<string>();
  collectSecrets(conf, false, "", new Set(encryptFields), secrets);
  let masked = text;
  // Longer ones first: a secret may contain another one.
  for (const secret of [...secrets].sort((a, b) => b.length - a.length)) {
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
  found.add(JSON.stringify(value).replace(/^"|"$/g, ""));
}

/** A very short secret is only masked where it stands as a word: it would tear other words apart. */
function wordOf(secret: string): RegExp {
  return new RegExp(`(?<![\\p{L}\\p{N}_])${RegExp.escape(secret)}(?![\\p{L}\\p{N}_])`, "gu");
}
