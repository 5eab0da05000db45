/** Test support: what the Admin API answers to configurations of plugins. */

/** By plugin: one configuration that is taken, and one that is not, with the answer to it. */
export type ConfCases = Readonly<Record<string, readonly [good: object, bad: object, answer: string]>>;

/** A required field is missing. */
export const missing = (field: string): string => `property "${field}" is required`;
/** A field is wrong. */
export const field = (name: string, why: string): string => `property "${name}" validation failed: ${why}`;
/** No alternative fits. */
export const NONE = "value should match only one schema, but matches none";
/** What PCRE says of `a[`. */
export const BRACKET = 'pcre2_compile() failed: missing terminating ] for character class in "a["';
/** The beginning of something secret. */
export const PEM = "-----BEGIN X-----";
