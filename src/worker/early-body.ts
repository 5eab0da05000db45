import type { MatchingSettings } from "../settings/settings.ts";
import type { BodyUse } from "../plugin/context.ts";

/**
 * The body of a request as far as it was read before the request was matched, because
 * conditions look into it. It goes upstream from here.
 */
export class EarlyBody {
  readonly pieces: Buffer[] = [];
  length = 0;
  /** The whole body is here. */
  complete = false;
  trailers = "";
  /** Bytes after which no condition looks any further. */
  limit = 0;
  /** More is to come and is not read at the moment. */
  paused = false;

  add(piece: Buffer, complete: boolean, trailers: string): void {
    this.pieces.push(piece);
    this.length += piece.length;
    this.complete = complete;
    this.trailers = trailers;
  }

  /** What one use may see of it: all, or nothing where the body is longer. */
  seenBy(use: BodyUse, limits: MatchingSettings): Buffer | null {
    return this.complete && this.length <= limitOf(use, limits) ? this.#whole() : null;
  }

  #whole(): Buffer {
    const [only] = this.pieces;
    if (this.pieces.length === 1 && only !== undefined) return only;
    const whole = Buffer.concat(this.pieces, this.length);
    this.pieces.splice(0, this.pieces.length, whole);
    return whole;
  }
}

/** Bytes of a body that may be read for a use. */
export function limitOf(use: BodyUse, limits: MatchingSettings): number {
  return use === "graphql" ? limits.graphqlMaxSize : limits.postArgMaxSize;
}
