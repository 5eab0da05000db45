const escapes: Readonly<Record<string, string>> = { t: "\t", r: "\r", n: "\n" };

/**
 * The format of access log lines as it was meant. APISIX puts the text between single
 * quotes into nginx.conf, so nginx's escapes hold (`\"`, `\'`, `\\`, `\t`, `\r`, `\n`).
 * Its example file writes the format as a block that has double quotes around the whole
 * and `\"` inside, and ends with a newline: both are taken off.
 */
export function normaliseLogFormat(written: string): string {
  const text = written.trim();
  const inner = /^"((?:[^"\\]|\\.)*)"$/s.exec(text)?.[1];
  return (inner ?? text).replace(/\\(["'\\trn])/g, (_, letter: string) => escapes[letter] ?? letter);
}
