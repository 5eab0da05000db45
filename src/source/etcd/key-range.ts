/** Keys that begin with a prefix, as etcd wants them: from `key`, below `rangeEnd`. */
export interface KeyRange {
  readonly key: Buffer;
  readonly rangeEnd: Buffer;
}

/** `prefix` must not be empty and not end in a byte 0xff, which UTF-8 never has. */
export function rangeOf(prefix: string): KeyRange {
  const key = Buffer.from(prefix);
  const rangeEnd = Buffer.from(key);
  rangeEnd[rangeEnd.length - 1]! += 1;
  return { key, rangeEnd };
}

/** The first key after `key`. */
export function after(key: Buffer): Buffer {
  return Buffer.concat([key, Buffer.alloc(1)]);
}
