import { EventEmitter, once } from "node:events";
import {
  Client,
  type ClientDuplexStream,
  type ClientReadableStream,
  type ClientUnaryCall,
  Metadata,
  type handleBidiStreamingCall,
  type handleClientStreamingCall,
  type handleServerStreamingCall,
  type handleUnaryCall,
  Server,
  ServerCredentials,
  type ServiceDefinition,
  type ServiceError,
} from "@grpc/grpc-js";
import type { TestContext } from "node:test";

/** A gRPC service with a method of each kind, whose messages are bytes, and a client for it. */

const bytes = (value: Buffer): Buffer => value;
const method = (name: string, requestStream: boolean, responseStream: boolean) => ({
  path: `/test.Echo/${name}`,
  requestStream,
  responseStream,
  requestSerialize: bytes,
  requestDeserialize: bytes,
  responseSerialize: bytes,
  responseDeserialize: bytes,
});

const service: ServiceDefinition = {
  unary: method("Unary", false, false),
  collect: method("Collect", true, false),
  repeat: method("Repeat", false, true),
  chat: method("Chat", true, true),
};

/** What a test hears of the service. */
export interface EchoService {
  /** `127.0.0.1:<port>`. */
  readonly node: string;
  /** Calls so far that are never answered. */
  readonly hung: () => number;
  /** Calls so far that were cancelled before their end. */
  readonly cancellations: () => number;
  /** Resolves once so many calls were cancelled before their end. */
  readonly cancelled: (count: number) => Promise<void>;
}

/** Starts the service; what calls do is told by their metadata (`x-do`) and messages. */
export async function startEcho(t: TestContext, tls = ServerCredentials.createInsecure()): Promise<EchoService> {
  let hung = 0;
  let cancelled = 0;
  const events = new EventEmitter();
  const onCancel = (): void => {
    cancelled++;
    events.emit("cancelled");
  };
  const server = new Server({ "grpc.max_receive_message_length": -1 });
  const unary: handleUnaryCall<Buffer, Buffer> = (call, callback) => {
    const wanted = call.metadata.get("x-do")[0];
    if (wanted === "hang") {
      hung++;
      call.on("cancelled", onCancel);
      return;
    }
    const trailers = new Metadata();
    trailers.set("x-trailer", "end");
    trailers.set("x-details-bin", Buffer.from([0, 1, 255]));
    if (wanted === "fail") {
      callback({ code: 5, details: "nö such thing", metadata: trailers });
      return;
    }
    const head = new Metadata();
    head.set("x-seen", String(call.metadata.get("x-sent")[0] ?? ""));
    call.sendMetadata(head);
    callback(null, call.request, trailers);
  };
  const collect: handleClientStreamingCall<Buffer, Buffer> = (call, callback) => {
    const pieces: Buffer[] = [];
    call.on("data", (piece: Buffer) => pieces.push(piece));
    call.on("end", () => callback(null, Buffer.concat(pieces)));
  };
  const repeat: handleServerStreamingCall<Buffer, Buffer> = (call) => {
    const [times = 0, size = 0] = call.request.toString().split(" ").map(Number);
    const message = Buffer.alloc(size, "r");
    let sent = 0;
    const send = (): void => {
      while (sent < times) {
        sent++;
        if (!call.write(message)) {
          call.once("drain", send);
          return;
        }
      }
      call.end();
    };
    send();
  };
  const chat: handleBidiStreamingCall<Buffer, Buffer> = (call) => {
    call.on("data", (piece: Buffer) => {
      const wanted = piece.toString();
      // The library says so at the end of every call.
      if (wanted === "hang") call.on("cancelled", onCancel);
      if (wanted !== "fail") call.write(piece);
      else call.emit("error", { code: 10, details: "given up by the service" });
    });
    call.on("end", () => call.end());
  };
  server.addService(service, { unary, collect, repeat, chat });
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync("127.0.0.1:0", tls, (error, bound) => (error === null ? resolve(bound) : reject(error))),
  );
  t.after(() => server.forceShutdown());
  return {
    node: `127.0.0.1:${port}`,
    hung: () => hung,
    cancellations: () => cancelled,
    async cancelled(count) {
      while (cancelled < count) await once(events, "cancelled");
    },
  };
}

/** What a call of one answer came to. */
export interface Outcome {
  /** 0: fine. */
  readonly code: number;
  readonly details: string;
  readonly message: Buffer | undefined;
  readonly head: Metadata | undefined;
  readonly trailers: Metadata | undefined;
}

/** A client of the service; the caller closes it. */
export class EchoClient extends Client {
  /** One message, one answer. */
  unary(message: Buffer, metadata: Readonly<Record<string, string>> = {}, deadlineMs?: number): Promise<Outcome> {
    return this.#outcome((done) => {
      const options = deadlineMs === undefined ? {} : { deadline: Date.now() + deadlineMs };
      return this.makeUnaryRequest("/test.Echo/Unary", bytes, bytes, message, metadataOf(metadata), options, done);
    });
  }

  /** Many messages, one answer. */
  collect(messages: readonly Buffer[]): Promise<Outcome> {
    return this.#outcome((done) => {
      const call = this.makeClientStreamRequest("/test.Echo/Collect", bytes, bytes, done);
      for (const message of messages) call.write(message);
      call.end();
      return call;
    });
  }

  /** One message, so many answers of that size. */
  repeat(times: number, size: number): ClientReadableStream<Buffer> {
    return this.makeServerStreamRequest("/test.Echo/Repeat", bytes, bytes, Buffer.from(`${times} ${size}`));
  }

  chat(): ClientDuplexStream<Buffer, Buffer> {
    return this.makeBidiStreamRequest("/test.Echo/Chat", bytes, bytes);
  }

  #outcome(start: (done: (error: ServiceError | null, message?: Buffer) => void) => SurfaceCall): Promise<Outcome> {
    return new Promise((resolve) => {
      let head: Metadata | undefined;
      let message: Buffer | undefined;
      const call = start((_, answer) => {
        message = answer;
      });
      call.on("metadata", (value: Metadata) => {
        head = value;
      });
      call.on("status", ({ code, details, metadata: trailers }) => {
        // The answer is handed over in the same turn.
        setImmediate(() => resolve({ code, details, message, head, trailers }));
      });
    });
  }
}

/** A call as a client sees it, whatever its kind. */
type SurfaceCall = Pick<ClientUnaryCall, "on">;

function metadataOf(values: Readonly<Record<string, string>>): Metadata {
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(values)) metadata.set(name, value);
  return metadata;
}
