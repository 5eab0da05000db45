import type { State } from "../status/state-body.ts";
import { spanText } from "../status/words.ts";
import type { JournalLine } from "./follow-status.ts";
import type { ScreenLine, Tone } from "./screen.ts";
import { describeConfig, describeFleet, table, workerColumns } from "./status.ts";

/** What is shown of a gateway. */
export interface Watched {
  /** The newest state; `null`: none has come yet. */
  readonly state: State | null;
  /** Requests per second of each worker, the newest last. */
  readonly rates: readonly (readonly number[])[];
  /** The newest last. */
  readonly events: readonly JournalLine[];
  /** Why the gateway does not answer now, and for how long; `null`: it does. */
  readonly lost: { readonly error: string; readonly forMs: number } | null;
  /** By the gateway's clock, Unix milliseconds. */
  readonly now: number;
}

const SPARK_COLUMNS = 20;
const BARS = "▁▂▃▄▅▆▇█";
const SHOWN_REJECTIONS = 5;
const SHOWN_NODES = 5;
/** Lines that the journal has at least. */
const JOURNAL_LINES = 5;

/** The gateway as the lines of a screen that has `rows`: what matters most comes first, the journal gets the rest. */
export function watchLines(watched: Watched, rows: number): ScreenLine[] {
  const { state, events } = watched;
  const head = verdictLines(watched);
  if (state === null) return head;
  const middle: ScreenLine[] = [
    { text: "" },
    ...configLines(state),
    { text: "" },
    ...workerLines(watched, state),
    ...upstreamLines(state),
    ...(state.fleet === null ? [] : describeFleet(state.fleet).map((text) => ({ text }))),
  ];
  const room = Math.max(0, rows - head.length - JOURNAL_LINES - 2);
  const shown = middle.length > room ? [...middle.slice(0, room - 1), { text: "…", tone: "quiet" as const }] : middle;
  const left = Math.max(0, rows - head.length - shown.length - 2);
  return [...head, ...shown, { text: "" }, { text: "journal", tone: "quiet" }, ...journalLines(events, left)];
}

/** The verdict in one line, for whoever does not look at a screen. */
export function verdictText({ state, lost, now }: Watched): string {
  if (lost !== null) return `unknown for ${spanText(lost.forMs)}: ${lost.error}`;
  if (state === null) return "connecting";
  const { ready, draining, error, since } = state.readiness;
  const word = ready ? "ready" : draining ? "draining" : `not ready: ${error}`;
  return `${word}${since === null ? "" : `, for ${lasting(now - Date.parse(since))}`}`;
}

function verdictLines(watched: Watched): ScreenLine[] {
  const { state, lost } = watched;
  const tone: Tone =
    lost !== null || state === null
      ? "strong"
      : state.readiness.ready
        ? "ok"
        : state.readiness.draining
          ? "warning"
          : "error";
  const lines: ScreenLine[] = [{ text: `${marks[tone]} ${verdictText(watched)}`, tone }];
  if (state === null) return lines;
  const { name, role, version, started_at: started } = state.node;
  const up = started === null ? "" : `, up ${lasting(watched.now - Date.parse(started))}`;
  const { meaning, advice, awaiting } = state.readiness;
  if (lost === null) {
    lines.push({ text: `  ${meaning}` });
    if (advice !== null) lines.push({ text: `  ${advice}` });
    for (const one of awaiting) lines.push({ text: `  waiting for ${one.awaiting} (${lasting(one.elapsed_ms)})` });
  } else lines.push({ text: "  what follows is what was last heard" });
  lines.push({ text: `  ${name}, ${role}, version ${version}${up}`, tone: "quiet" });
  return lines;
}

/** A shape for each verdict, so that it is not told by its colour alone. */
const marks: Readonly<Record<Tone, string>> = {
  ok: "●",
  warning: "▲",
  error: "■",
  strong: "○",
  plain: " ",
  quiet: " ",
};

function configLines({ config }: State): ScreenLine[] {
  const shown = { ...config, rejected: config.rejected.slice(0, SHOWN_REJECTIONS) };
  const lines: ScreenLine[] = describeConfig(shown).map((text) => ({
    text,
    tone: text.startsWith("rejected") || text.startsWith("failing") ? "warning" : "plain",
  }));
  const hidden = config.rejected_count - shown.rejected.length;
  if (hidden > 0) lines.push({ text: `               and ${hidden} more rejected`, tone: "warning" });
  return lines;
}

function workerLines({ rates }: Watched, { workers }: State): ScreenLine[] {
  const [id, state, ...rest] = workerColumns;
  const columns = [
    id!,
    state!,
    ["req/s", ({ requests_per_second: rate }) => Math.round(rate)],
    ["last minute", (row) => sparkText(rates[row.id] ?? [])],
    ...rest,
  ] satisfies typeof workerColumns;
  return table(columns, workers).map((text, i) => {
    const worker = workers[i - 1];
    if (worker === undefined) return { text, tone: "quiet" };
    return { text, tone: worker.state === "running" ? "plain" : "error" };
  });
}

function upstreamLines({ upstreams: { count, unhealthy, nodes } }: State): ScreenLine[] {
  if (count === 0) return [];
  const lines: ScreenLine[] = [{ text: "" }, { text: `upstream nodes ${count} checked, ${unhealthy} unhealthy` }];
  const sick = nodes.filter(({ status }) => status === "unhealthy" || status === "mostly_unhealthy");
  for (const { node, upstream, status } of sick.slice(0, SHOWN_NODES)) {
    lines.push({ text: `  ▲ ${node} of ${upstream}: ${status.replace("_", " ")}`, tone: "warning" });
  }
  return lines;
}

function journalLines(events: readonly JournalLine[], room: number): ScreenLine[] {
  const tones = { ok: "plain", info: "plain", warning: "warning", error: "error" } as const;
  return events
    .slice(Math.max(0, events.length - room))
    .toReversed()
    .map(({ at, severity, text }) => ({ text: `${clock(at)}  ${text}`, tone: tones[severity] }));
}

/** `14:02:11` in the time zone of whoever looks. */
function clock(iso: string): string {
  return new Date(iso).toTimeString().slice(0, 8);
}

/** A span that goes on, without the tenths that would flicker. */
function lasting(ms: number): string {
  return spanText(Math.max(0, Math.floor(ms / 1000)) * 1000)
    .replace(/^0 ms$/, "0 s")
    .replace(/\.0 s$/, " s");
}

/** The last samples as bars, as high as their part of the highest. */
export function sparkText(samples: readonly number[]): string {
  const shown = samples.slice(-SPARK_COLUMNS);
  const top = Math.max(1, ...shown);
  const bars = shown.map((value) => BARS[Math.min(BARS.length - 1, Math.round((value / top) * (BARS.length - 1)))]);
  return bars.join("").padStart(SPARK_COLUMNS, " ");
}
