import { fieldOf, type SecretAnswer } from "./answer.ts";

/** The variable `name`, or a field of the JSON object that it holds. */
export function lookupEnv(env: NodeJS.ProcessEnv, name: string, key: string | null): SecretAnswer {
  const value = Object.hasOwn(env, name) ? env[name] : undefined;
  const holder = `environment variable ${name}`;
  if (value === undefined) return { error: `${holder} is not set` };
  if (key === null) return { value, stale: null };
  try {
    return fieldOf(JSON.parse(value), key, holder);
  } catch {
    // The engine's message quotes the text.
    return { error: `${holder} does not hold JSON` };
  }
}
