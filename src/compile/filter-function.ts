import { monotonicMs } from "../lib/clock.ts";
import type { RequestContext } from "../plugin/context.ts";
import { compileJudged } from "../plugin/variables.ts";
import { compileFunctionText, compileReader, isShort, noHost, sharedSandbox } from "../plugin/sandbox.ts";

/**
 * `filter_func` of routes, in JavaScript: `function (vars) { return vars.arg_name === "a"; }`.
 * The function runs in the sandbox and sees variables as texts.
 */

/** Time between two faults of one function that are told. */
const FAULT_INTERVAL_MS = 10_000;

/** Is told why a function did not decide, now and then; the route is not matched then. */
export type FilterFault = (reason: string) => void;

const form = { name: "filter_func", example: `function (vars) { return vars.arg_name === "a"; }` };

/**
 * Compiles the text of a function; throws an Error with the reason, which shows the
 * form that is expected, where it is no JavaScript or uses what it may not.
 */
export function compileFilterFunction(source: string, fault: FilterFault): (ctx: RequestContext) => boolean {
  const script = compileFunctionText(source, "(filter) => () => !!filter(vars)", form);
  const sandbox = sharedSandbox();
  const read = compileReader(compileJudged);
  const call = script.runInContext(sandbox.context) as () => boolean;
  const decide = isShort(source) ? call : () => sandbox.watch(call) === true;
  let nextFault = 0;
  return (ctx) => {
    sandbox.use({ ...noHost, read: (name) => read(ctx, name) });
    try {
      return decide();
    } catch (thrown) {
      const now = monotonicMs();
      if (now >= nextFault) {
        nextFault = now + FAULT_INTERVAL_MS;
        fault(`filter_func: ${sandbox.describe(thrown)}`);
      }
      return false;
    } finally {
      sandbox.use(noHost);
    }
  };
}
