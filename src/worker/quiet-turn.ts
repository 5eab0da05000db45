/** Turns of the event loop for which a draining listener waits for its queue to be empty. */
const MAX_TURNS = 50;

/**
 * Resolves in a turn of the loop in which accepting has just found nothing more; `accepted` counts
 * connections. The kernel resets what waits in the accept queue of a listener that is closed, so
 * that is when to close it.
 */
export async function quietTurn(accepted: () => number): Promise<void> {
  for (let turn = 0; turn < MAX_TURNS; turn++) {
    const before = accepted();
    await new Promise<void>((resolve) => {
      setImmediate(resolve);
    });
    if (accepted() === before) return;
  }
}
