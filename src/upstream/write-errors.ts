import type { Socket } from "node:net";

type Done = (error?: Error | null) => void;

/** How a stream writes, which subclasses of Writable define. */
interface WriteMethods {
  _write(chunk: unknown, encoding: string, done: Done): void;
  _writev(chunks: unknown, done: Done): void;
}

/**
 * Lets a socket be read on after a write has failed, which otherwise destroys it at once: a
 * node that refuses a body answers, closes, and resets the connection because of what is
 * still being sent; its answer has arrived by then. `failed` is called for each such write,
 * which counts as done for the stream. How the connection ended is told by reading.
 */
export function surviveWriteErrors(socket: Socket, failed: () => void): void {
  const stream = socket as unknown as WriteMethods;
  const { _write: write, _writev: writev } = stream;
  const survive =
    (done: Done): Done =>
    (error) => {
      if (error) failed();
      done();
    };
  stream._write = (chunk, encoding, done) => write.call(stream, chunk, encoding, survive(done));
  stream._writev = (chunks, done) => writev.call(stream, chunks, survive(done));
}
