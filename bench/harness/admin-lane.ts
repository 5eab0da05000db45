import { once } from "node:events";
import { connect, type Socket } from "node:net";

/**
 * One connection to the Admin API that writes one request at a time, with next to no
 * CPU of its own: on two cores a client's would count as the gateway's.
 */
export class AdminLane {
  readonly #socket: Socket;
  readonly #head: string;
  readonly #closed: Promise<unknown>;
  #received = "";
  #answered: () => void = () => undefined;

  /** @param key the key of the Admin API. */
  constructor(port: number, key: string) {
    this.#head = ` HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nX-API-KEY: ${key}\r\nContent-Length: `;
    this.#socket = connect(port, "127.0.0.1").setNoDelay(true).setEncoding("latin1");
    this.#closed = once(this.#socket, "close");
    this.#socket.on("data", (text: string) => {
      this.#received += text;
      if (isWhole(this.#received)) this.#answered();
    });
  }

  /** Writes a resource; throws where it is not taken. `body` is ASCII. */
  async put(path: string, body: string): Promise<void> {
    this.#received = "";
    const answered = new Promise<void>((resolve) => {
      this.#answered = resolve;
    });
    this.#socket.write(`PUT /apisix/admin/${path}${this.#head}${body.length}\r\n\r\n${body}`);
    await Promise.race([answered, this.#closed]);
    if (!/^HTTP\/1\.1 20[01] /.test(this.#received)) throw new Error(`${path}: ${this.#received}`);
  }

  close(): void {
    this.#socket.destroy();
  }
}

/** Whether an answer with a Content-Length is there to its end. */
function isWhole(text: string): boolean {
  const end = text.indexOf("\r\n\r\n");
  const length = end === -1 ? null : /\r\ncontent-length: (\d+)/i.exec(text);
  return length !== null && text.length >= end + 4 + Number(length[1]);
}
