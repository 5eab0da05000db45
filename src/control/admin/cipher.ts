import { buildKeyring } from "../../lib/keyring.ts";
import type { DataEncryptionSettings } from "../../settings/settings.ts";
import {
  decryptResource,
  encryptResource,
  hasUnreadableKey,
  noEncryptedFields,
  UNREADABLE_KEY,
  type EncryptedFields,
} from "../../store/encryption.ts";
import type { ResourceCipher } from "./deps.ts";

/** Builds the cipher of `apisix.data_encryption`; `fieldsOf` knows what plugins want encrypted. */
export function buildCipher(
  { enabled, keyring: keys }: DataEncryptionSettings,
  fieldsOf: EncryptedFields,
): ResourceCipher {
  const keyring = buildKeyring(keys);
  const fields = enabled ? fieldsOf : noEncryptedFields;
  return {
    encrypt: (kind, value) => encryptResource(kind, value, keyring, fields),
    decrypt: (kind, value) => decryptResource(kind, value, keyring, fields),
    decryptKeys: (kind, value) => decryptResource(kind, value, keyring, noEncryptedFields),
    keyFault: (kind, value) => (hasUnreadableKey(kind, value, keyring) ? UNREADABLE_KEY : null),
  };
}
