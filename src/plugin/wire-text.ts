/* oxlint-disable no-control-regex -- They are what is not looked for. */
const beyondAscii = /[^\u0000-\u007f]/;
const beyondBytes = /[^\u0000-\u00ff]/;
/* oxlint-enable no-control-regex */

/**
 * Bytes of the wire (one character each) as the text that they are in UTF-8; what is no UTF-8
 * becomes U+FFFD. For formats whose texts are Unicode, as JSON's are.
 */
export function textOfWire(value: string): string {
  if (!beyondAscii.test(value) || beyondBytes.test(value)) return value;
  return Buffer.from(value, "latin1").toString("utf8");
}
