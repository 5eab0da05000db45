/** `Buffer#latin1Slice`, which the type declarations leave out: `toString("latin1")` without its checks. */
interface Latin1Buffer extends Uint8Array {
  latin1Slice(start: number, end: number): string;
}

/** The bytes `start … end` as one flat string, a code unit per byte. */
export function latin1(buffer: Buffer, start: number, end: number): string {
  return (buffer as unknown as Latin1Buffer).latin1Slice(start, end);
}
