import { createCipheriv, createDecipheriv } from "node:crypto";

/**
 * Encrypts and decrypts texts at rest, byte for byte as APISIX does, so that both
 * can work on one store: AES-128-CBC with PKCS #7 padding, a key of 16 bytes that
 * is the initialisation vector too, base64. Equal texts give equal ciphertext, and
 * nothing authenticates it: it hides secrets from who reads the store, no more.
 */
export interface Keyring {
  /** Ciphertext by the first key; `text` itself where there is no key, or where it is no well-formed Unicode. */
  encrypt(text: string): string;
  /**
   * The text that one of the keys, tried in order, decrypts `ciphertext` to; `null`
   * where it is no ciphertext or none fits. A wrong key is told by the padding and by
   * what comes out not being UTF-8.
   */
  decrypt(ciphertext: string): string | null;
}

/** A key of the ring, and the size of AES's blocks: bytes. */
const BLOCK = 16;

/** Builds a keyring; throws when a key has not 16 bytes. The message holds no key. */
export function buildKeyring(keys: readonly string[]): Keyring {
  const ring = keys.map((key, index) => {
    const bytes = Buffer.from(key);
    if (bytes.length !== BLOCK) throw new Error(`key ${index + 1} of the keyring has ${bytes.length} bytes, not 16`);
    return bytes;
  });
  const [first] = ring;
  return {
    encrypt(text) {
      if (first === undefined || !text.isWellFormed()) return text;
      const cipher = createCipheriv("aes-128-cbc", first, first);
      return cipher.update(text, "utf8", "base64") + cipher.final("base64");
    },
    decrypt(ciphertext) {
      if (!/^[A-Za-z0-9+/]+={0,2}$/.test(ciphertext)) return null;
      const bytes = Buffer.from(ciphertext, "base64");
      if (bytes.length % BLOCK !== 0) return null;
      for (const key of ring) {
        const text = decryptWith(key, bytes);
        if (text !== null) return text;
      }
      return null;
    },
  };
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function decryptWith(key: Uint8Array, bytes: Uint8Array): string | null {
  const decipher = createDecipheriv("aes-128-cbc", key, key);
  try {
    return utf8.decode(Buffer.concat([decipher.update(bytes), decipher.final()]));
  } catch {
    return null;
  }
}
