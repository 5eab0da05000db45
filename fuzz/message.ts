/** One message as a reader of HTTP/1.1 understood it; all text is latin1. */
export interface Message {
  /** Of a request; `""` in a response. */
  readonly method: string;
  readonly target: string;
  /** Of a response; 0 in a request. */
  readonly status: number;
  readonly minor: number;
  /** Name as sent and value without the blanks around it, in order. */
  readonly fields: readonly (readonly [name: string, value: string])[];
  readonly body: string;
  readonly trailers: readonly (readonly [name: string, value: string])[];
  /** Whether another message may follow on the connection. */
  readonly keepAlive: boolean;
}

/** What a reader made of a stream of bytes. */
export interface Reading {
  /** The complete messages. */
  readonly messages: readonly Message[];
  /** Why it stopped; `null`: the rest is the beginning of a message, or nothing. */
  readonly refused: string | null;
  /** A message had begun and its end was not there. */
  readonly partial: boolean;
  /** Method of a request that was refused in its body. */
  readonly refusedMethod?: string;
}

/** What is known of the requests that responses answer, in order. */
export interface Asked {
  readonly toHead: boolean;
}
