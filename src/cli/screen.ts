import type { WriteStream } from "node:tty";

/** How a line looks beside its words. */
export type Tone = "plain" | "strong" | "quiet" | "ok" | "warning" | "error";

/** A line of the screen; what does not fit is cut off. */
export interface ScreenLine {
  readonly text: string;
  readonly tone?: Tone;
}

/** A terminal that is drawn anew again and again. */
export interface Screen {
  readonly columns: number;
  readonly rows: number;
  draw(lines: readonly ScreenLine[]): void;
  /** Gives the terminal back as it was. */
  close(): void;
}

/** SGR of each tone; none where colours are not wanted (https://no-color.org). */
const styles: Readonly<Record<Tone, string>> = {
  plain: "",
  strong: "1",
  quiet: "2",
  ok: "1;32",
  warning: "33",
  error: "1;31",
};

/** Takes a terminal over: its alternate screen, without a cursor. */
export function openScreen(stream: WriteStream, env: NodeJS.ProcessEnv = process.env): Screen {
  const coloured = (env.NO_COLOR ?? "") === "" && env.TERM !== "dumb";
  stream.write("\u001b[?1049h\u001b[?25l");
  return {
    get columns() {
      return stream.columns;
    },
    get rows() {
      return stream.rows;
    },
    draw(lines) {
      const text = lines.slice(0, stream.rows).map(({ text, tone = "plain" }) => {
        const cut = printable(text).slice(0, stream.columns);
        return coloured && styles[tone] !== "" ? `\u001b[${styles[tone]}m${cut}\u001b[0m` : cut;
      });
      // Without a break after the last line, which would scroll.
      stream.write(`\u001b[H${text.join("\u001b[K\r\n")}\u001b[K\u001b[J`);
    },
    close() {
      stream.write("\u001b[?25h\u001b[?1049l");
    },
  };
}

/** A text without characters that a terminal would obey: reasons may quote a configuration. */
export function printable(text: string): string {
  // eslint-disable-next-line no-control-regex -- They are what is looked for.
  return text.replaceAll(/[\u0000-\u001f\u007f-\u009f]/g, "\ufffd");
}
