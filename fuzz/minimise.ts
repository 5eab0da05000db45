/**
 * Makes a failing text shorter while it goes on failing: halves, lines, then ever
 * smaller spans are left out.
 * @param tries how often `fails` may be asked.
 */
export async function minimised(text: string, fails: (text: string) => Promise<boolean>, tries = 300): Promise<string> {
  let shortest = text;
  let left = tries;
  for (let span = Math.ceil(text.length / 2); span >= 1 && left > 0; span = span === 1 ? 0 : Math.ceil(span / 2)) {
    for (let at = 0; at < shortest.length && left > 0;) {
      const shorter = shortest.slice(0, at) + shortest.slice(at + span);
      left--;
      if (await fails(shorter)) shortest = shorter;
      else at += span;
    }
  }
  return shortest;
}
