/** Exit codes of every command. */
export const ExitCode = {
  /** Done, reached, valid. */
  ok: 0,
  /** Refused, invalid, not ready, timed out. */
  failed: 1,
  /** `wait`: a change up to the awaited revision was rejected. */
  rejected: 2,
  /** Nothing answers: the gateway is not running. */
  unreachable: 3,
  /** The command line cannot be understood (EX_USAGE). */
  usage: 64,
} as const;
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];
