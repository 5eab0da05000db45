/** A configured status of an answer; throws where HTTP/1.1 has none such (RFC 9110 section 15). */
export function checkStatus(attribute: string, status: number): number {
  if (Number.isInteger(status) && status >= 200 && status <= 599) return status;
  throw new Error(`property "${attribute}": ${status} is no status of an answer`);
}
