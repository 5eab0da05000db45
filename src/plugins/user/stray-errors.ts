import { failureReport, isOfUser } from "./failure-text.ts";

/**
 * Keeps a thread alive when code of a user fails where nobody waits for it: in a timer,
 * in an event, in a promise that it dropped. Whatever else is not caught ends the thread
 * as before: nobody knows what state it is in.
 */
export function surviveUserErrors(log: { error(message: string): void }): void {
  const judge = (error: unknown): void => {
    // The gateway itself throws nothing but errors.
    if (error instanceof Error && !isOfUser(error)) throw error;
    log.error(`a plugin failed outside of any request: ${failureReport(error)}`);
  };
  process.on("uncaughtException", judge);
  process.on("unhandledRejection", judge);
}
