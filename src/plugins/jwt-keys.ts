import { constants, createHmac, createPublicKey, createSecretKey, verify } from "node:crypto";
import type { KeyObject, VerifyKeyObjectInput } from "node:crypto";
import { sameBytes } from "../lib/same-bytes.ts";

/**
 * Checks signatures of JWTs (RFC 7515, algorithms of RFC 7518 and RFC 8037). A key is
 * bound to one algorithm when it is read, and nothing of a token chooses another.
 */

/** Whether `signature` is that of `signed`, the first two parts of a token. */
export type Verifier = (signed: string, signature: Buffer) => boolean;

/** Curves that ES algorithms are bound to (RFC 7518 section 3.4), and the bytes of their signatures. */
const curves: Readonly<Record<string, readonly [curve: string, bytes: number]>> = {
  ES256: ["prime256v1", 64],
  ES384: ["secp384r1", 96],
  ES512: ["secp521r1", 132],
};

/** What a consumer's configuration says about its tokens. */
export interface KeyConf {
  readonly algorithm: string;
  readonly secret: string;
  readonly base64Secret: boolean;
  /** PEM, of a public key or a certificate. */
  readonly publicKey: string;
}

/** Reads the key of a consumer. Throws an Error that holds nothing of the key where it does not fit the algorithm. */
export function compileVerifier(conf: KeyConf): Verifier {
  const { algorithm } = conf;
  const digest = `sha${algorithm.slice(2)}`;
  switch (algorithm.slice(0, 2)) {
    case "HS":
      return hmacVerifier(digest, conf);
    case "RS":
      return keyVerifier(digest, { key: publicKey(conf, ["rsa"]), padding: constants.RSA_PKCS1_PADDING });
    case "PS": {
      const key = publicKey(conf, ["rsa", "rsa-pss"]);
      const saltLength = constants.RSA_PSS_SALTLEN_DIGEST;
      return keyVerifier(digest, { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength });
    }
    case "ES":
      return ecVerifier(digest, conf);
    case "Ed":
      return keyVerifier(null, { key: publicKey(conf, ["ed25519", "ed448"]) });
    default:
      throw new Error(`unknown algorithm ${algorithm}`);
  }
}

function hmacVerifier(digest: string, { secret, base64Secret }: KeyConf): Verifier {
  const key = createSecretKey(Buffer.from(secret, base64Secret ? "base64" : "utf8"));
  return (signed, signature) => {
    const expected = createHmac(digest, key).update(signed).digest();
    return sameBytes(signature, expected);
  };
}

function ecVerifier(digest: string, conf: KeyConf): Verifier {
  const [curve, bytes] = curves[conf.algorithm] ?? ["", 0];
  const key = publicKey(conf, ["ec"]);
  if (key.asymmetricKeyDetails?.namedCurve !== curve) throw new Error(`${conf.algorithm} needs a key on ${curve}`);
  const check = keyVerifier(digest, { key, dsaEncoding: "ieee-p1363" });
  return (signed, signature) => signature.length === bytes && check(signed, signature);
}

function keyVerifier(digest: string | null, key: VerifyKeyObjectInput): Verifier {
  return (signed, signature) => verify(digest, Buffer.from(signed), key, signature);
}

function publicKey({ algorithm, publicKey: pem }: KeyConf, types: readonly string[]): KeyObject {
  let key: KeyObject;
  try {
    key = createPublicKey(pem);
  } catch {
    throw new Error("public_key is no public key in PEM");
  }
  if (!types.includes(key.asymmetricKeyType ?? "")) throw new Error(`public_key does not fit ${algorithm}`);
  return key;
}
