import { readFileSync } from "node:fs";

/** Where V8 would put a heap: anywhere among the first 2^46 bytes. */
const END = 2n ** 46n;
/** Below is room for the program and for what `brk` gives it. */
const BEGIN = 2n ** 36n;
/** `PROT_NONE`; the flags are `MAP_PRIVATE`, `MAP_ANONYMOUS`, `MAP_NORESERVE` and `MAP_FIXED_NOREPLACE` of Linux on x64 and arm64. */
const NO_ACCESS = 0;
const ONLY_ADDRESSES = 0x02 | 0x20 | 0x4000 | 0x100000;

/** How often the ranges are read anew where some could not be taken. */
const MAX_ATTEMPTS = 8;

/** Address first, then bytes; see mmap(2). */
interface MemoryCalls {
  readonly mmap: (at: bigint, size: bigint, access: number, flags: number, file: number, offset: bigint) => bigint;
  readonly munmap: (at: bigint, size: bigint) => number;
}

type Range = readonly [from: bigint, to: bigint];

/**
 * Has the heaps of threads that start from now on stand side by side. V8 asks for each 256 KiB of a heap at a random
 * address, so that nearly every access to a rarely used object misses the tables of pages as well. Here these
 * addresses are taken beforehand (addresses only: no memory, which `VmSize` shows and nothing else), and the kernel,
 * asked for one that is taken, gives the next that is free.
 *
 * Returns whether it could be done; where not (another system, a Node without `node:ffi`, a limit of
 * addresses) everything works as before. `TURNPIKE_SCATTERED_HEAP=on` leaves the heaps to V8.
 */
export function gatherHeaps(): boolean {
  if (process.platform !== "linux" || process.env.TURNPIKE_SCATTERED_HEAP === "on") return false;
  if (process.arch !== "x64" && process.arch !== "arm64") return false;
  try {
    // Under a limit (`ulimit -v`) addresses are what there is too little of.
    if (!/^Max address space +unlimited/m.test(readFileSync("/proc/self/limits", "latin1"))) return false;
    return takeAll(memoryCalls());
  } catch {
    // The module is experimental, and may be missing or forbidden.
    return false;
  }
}

/** Takes all addresses or none. */
function takeAll(calls: MemoryCalls): boolean {
  const taken: Range[] = [];
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    const ranges = freeRanges();
    const now = ranges.filter((range) => take(range, calls));
    if (now.length === ranges.length) return true;
    taken.push(...now);
  }
  for (const [from, to] of taken) calls.munmap(from, to - from);
  return false;
}

function memoryCalls(): MemoryCalls {
  const { emitWarning } = process;
  // What is experimental says so on the terminal, which is no news for those who run the gateway.
  process.emitWarning = () => undefined;
  try {
    const { functions } = process.getBuiltinModule("node:ffi").dlopen(null, {
      mmap: { arguments: ["u64", "u64", "i32", "i32", "i32", "i64"], return: "i64" },
      munmap: { arguments: ["u64", "u64"], return: "i32" },
    });
    return functions;
  } finally {
    process.emitWarning = emitWarning;
  }
}

/** What nothing is in of the addresses that V8 would choose from. */
function freeRanges(): readonly Range[] {
  const ranges: Range[] = [];
  let from = BEGIN;
  for (const line of readFileSync("/proc/self/maps", "latin1").split("\n")) {
    const match = /^([0-9a-f]+)-([0-9a-f]+) /.exec(line);
    if (match === null) continue;
    const [start, end] = [BigInt(`0x${match[1]}`), BigInt(`0x${match[2]}`)];
    if (start >= END) break;
    if (start > from) ranges.push([from, start]);
    if (end > from) from = end;
  }
  if (from < END) ranges.push([from, END]);
  return ranges;
}

/** Returns false where the addresses cannot be had: this thread's own heap may have grown among them meanwhile. */
function take([from, to]: Range, { mmap, munmap }: MemoryCalls): boolean {
  const at = mmap(from, to - from, NO_ACCESS, ONLY_ADDRESSES, -1, 0n);
  // A kernel older than 4.17 takes the address for a wish.
  if (at !== from && at > 0n) munmap(at, to - from);
  return at === from;
}
