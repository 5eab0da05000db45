/* oxlint-disable no-control-regex -- control characters are what Lua escapes. */

/** How Lua writes values: APISIX's messages show them that way, and clients compare messages. */

/** A text in quotes as `%q` writes it: control characters as decimal escapes. */
export function quoteLua(text: string): string {
  const escaped = text
    .replaceAll(/["\\]/g, "\\$&")
    .replaceAll(/[\u0000-\u0009\u000b-\u001f\u007f](?=(\d?))/g, (control: string, digit: string) => {
      const code = String(control.charCodeAt(0));
      return `\\${digit === "" ? code : code.padStart(3, "0")}`;
    })
    .replaceAll("\n", "\\\n");
  return `"${escaped}"`;
}
/* oxlint-enable no-control-regex */

/** A number as `%.14g` writes it. */
export function formatLuaNumber(value: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "nan" : value > 0 ? "inf" : "-inf";
  const precise = Number(value.toPrecision(14));
  const exponent = precise === 0 ? 0 : Number(precise.toExponential().split("e")[1]);
  if (exponent >= -4 && exponent < 14) return String(precise);
  const [mantissa = "", power = ""] = precise.toExponential().split("e");
  return `${mantissa}e${power.startsWith("-") ? "-" : "+"}${power.replace(/^[+-]/, "").padStart(2, "0")}`;
}
