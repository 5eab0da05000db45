import { timingSafeEqual } from "node:crypto";

/**
 * Whether somebody has presented these bytes, a secret or what only its holder can make.
 * The time that takes tells nothing about how much of a guess is right, only about its length.
 */
export function sameBytes(presented: Buffer, secret: Buffer): boolean {
  const alike = presented.length === secret.length;
  return timingSafeEqual(alike ? presented : secret, secret) && alike;
}
