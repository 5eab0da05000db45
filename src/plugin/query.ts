/** Percent-decoding of a query's name or value: `+` is a blank, broken escapes stay as they are. */
export function decodeQuery(text: string): string {
  return text
    .replaceAll("+", " ")
    .replaceAll(/%([0-9a-f]{2})/gi, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 16)));
}

/**
 * The request target without any argument of that name, whatever way the name is
 * escaped; the other arguments keep their order and bytes.
 */
export function withoutArgument(target: string, name: string): string {
  const question = target.indexOf("?");
  if (question === -1) return target;
  const kept = target
    .slice(question + 1)
    .split("&")
    .filter((pair) => {
      const equals = pair.indexOf("=");
      return decodeQuery(equals === -1 ? pair : pair.slice(0, equals)) !== name;
    });
  const path = target.slice(0, question);
  return kept.length === 0 ? path : `${path}?${kept.join("&")}`;
}
