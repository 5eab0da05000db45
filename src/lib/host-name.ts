/** The host in lower case without port and final dot. */
export function hostName(value: string): string {
  const colon = value.lastIndexOf(":");
  let name = colon >= 0 && colon > value.lastIndexOf("]") ? value.slice(0, colon) : value;
  if (name.endsWith(".")) name = name.slice(0, -1);
  return name.toLowerCase();
}
