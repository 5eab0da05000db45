import type { MatchingSettings } from "../settings/settings.ts";
import type { BodyUse } from "../plugin/context.ts";
import type { Downstream } from "./downstream.ts";

/** Who lets the client's body flow. */
type BodySource = Pick<Downstream, "startBody" | "pauseBody" | "resumeBody">;

/**
 * The body of a request as far as it was read before the request is sent, because
 * conditions or plugins look into it. It goes upstream from here.
 */
export class EarlyBody {
  readonly pieces: Buffer[] = [];
  length = 0;
  /** The whole body is here. */
  complete = false;
  trailers = "";
  /** More is to come and is not read at the moment. */
  paused = false;
  #limit = 0;
  #source: BodySource | null = null;
  #done: (() => void) | null = null;

  /** A body that is not the client's. */
  static of(bytes: Uint8Array): EarlyBody {
    const body = new EarlyBody();
    body.add(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length), true, "");
    return body;
  }

  /** Reads on until the body is whole or longer than `limit`, and then calls `done`; maybe at once. */
  read(source: BodySource, limit: number, done: () => void): void {
    if (this.complete || this.length > limit) {
      done();
      return;
    }
    this.#limit = limit;
    this.#source = source;
    this.#done = done;
    if (this.paused) {
      this.paused = false;
      source.resumeBody();
    } else source.startBody();
  }

  /** Takes a piece of it. */
  add(piece: Buffer, complete: boolean, trailers: string): void {
    this.pieces.push(piece);
    this.length += piece.length;
    this.complete = complete;
    this.trailers = trailers;
    const done = this.#done;
    if (done === null || (!complete && this.length <= this.#limit)) return;
    if (!complete) {
      this.paused = true;
      this.#source?.pauseBody();
    }
    this.#done = null;
    done();
  }

  /** What one use may see of it: all, or nothing where the body is longer. */
  seenBy(use: BodyUse, limits: MatchingSettings): Buffer | null {
    return this.complete && this.length <= limitOf(use, limits) ? this.whole() : null;
  }

  /** What is here, in one piece. */
  whole(): Buffer {
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
