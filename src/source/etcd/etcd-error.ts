/** Status codes of gRPC that are told apart (https://grpc.io/docs/guides/status-codes/). */
export const Code = {
  invalidArgument: 3,
  deadlineExceeded: 4,
  /** Ours: a message beyond what is taken. */
  outOfSize: 8,
  outOfRange: 11,
  unavailable: 14,
  unauthenticated: 16,
} as const;

/** What kept a call to one member from succeeding. */
export class EtcdError extends Error {
  /** gRPC status. */
  readonly code: number;
  /** Whether the member may have acted on the request. */
  readonly sent: boolean;
  /** Whether it was the member that answered; otherwise it could not be reached or fell silent. */
  readonly answered: boolean;

  constructor(code: number, message: string, { sent = true, answered = false } = {}) {
    super(message);
    this.name = "EtcdError";
    this.code = code;
    this.sent = sent;
    this.answered = answered;
  }

  /** The token is missing, has expired, or is older than a change of users. */
  get needsToken(): boolean {
    return (
      this.answered &&
      (this.code === Code.unauthenticated ||
        /invalid auth token|user name is empty|auth store is old/.test(this.message))
    );
  }

  /** The member answered that it cannot act now; nothing was done, another member or a moment later may do. */
  get refusedForNow(): boolean {
    return this.answered && /no leader|not capable|too many requests|server stopped/.test(this.message);
  }

  /** The cluster is between two leaders; whether something was done is not known. */
  get transient(): boolean {
    return this.answered && (this.code === Code.unavailable || this.code === Code.deadlineExceeded);
  }

  /** Nobody will answer otherwise: the request itself is refused, or its answer cannot be taken. */
  get final(): boolean {
    if (this.code === Code.outOfSize) return true;
    return this.answered && !this.transient && !this.refusedForNow;
  }

  /** What was asked for has been compacted. */
  get compacted(): boolean {
    return this.code === Code.outOfRange;
  }
}
