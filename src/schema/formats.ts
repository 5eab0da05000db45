import { isIPv4, isIPv6 } from "node:net";

/** The values of `format` that are checked, as APISIX checks them; every text of another format passes. */
export const formats: Readonly<Record<string, (text: string) => boolean>> = {
  ipv4: isIPv4,
  ipv6: isIPv6,
  email: isEmail,
  hostname: (text) => /^[A-Za-z0-9.-]+$/.test(text),
};

/** RFC 5321 section 4.5.3.1.3. */
const LONGEST_EMAIL = 254;

/** A local part without quotes (RFC 5322 section 3.2.3), and a name of at least two labels that ends with letters. */
function isEmail(text: string): boolean {
  if (text.length > LONGEST_EMAIL) return false;
  return /^[\w.!#$%&'*+/=?^`{|}~-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}$/.test(text);
}
