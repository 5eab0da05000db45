import type { MessagePort } from "node:worker_threads";
import type { ControlToWorker } from "../messages/messages.ts";
import type { Change } from "../schema/kinds.ts";
import type { Resource } from "../store/resource.ts";

/** Resources per message. */
const CHUNK = 1_000;

/**
 * Sends resources to workers that hold nothing yet while the rest of the first load is
 * still being checked, so that both threads work at the same time. Nothing of it is
 * served: it counts with the batch that follows, which says what came out differently.
 */
export class Ahead {
  readonly #newcomers: () => readonly MessagePort[];
  readonly #ports: MessagePort[] = [];
  readonly #sent: Change[] = [];
  #posted = 0;
  #rest: readonly Change[] | null = null;

  /** `newcomers` answers with the workers that have come since it was last asked. */
  constructor(newcomers: () => readonly MessagePort[]) {
    this.#newcomers = newcomers;
  }

  /** Sends workers that have come what went to the others before. */
  catchUp(): void {
    const newcomers = this.#newcomers();
    for (let from = 0; from < this.#posted; from += CHUNK) {
      this.#postTo(newcomers, from, Math.min(from + CHUNK, this.#posted));
    }
    this.#ports.push(...newcomers);
  }

  /** A resource that was accepted by itself; each once. */
  add({ kind, id, text }: Resource): void {
    this.#sent.push({ kind, id, text });
    if (this.#sent.length - this.#posted === CHUNK) this.#post();
  }

  /** What leads from that which was sent to `resources`, the whole first load. */
  rest(resources: readonly Change[]): readonly Change[] {
    return (this.#rest ??= this.#compare(resources));
  }

  #compare(resources: readonly Change[]): readonly Change[] {
    this.#post();
    // Mostly all of it came out as it was sent, in the same order.
    let same = 0;
    while (same < resources.length && isSame(this.#sent[same], resources[same]!)) same++;
    const left = new Map(this.#sent.slice(same).map((change) => [`${change.kind}/${change.id}`, change]));
    const changes = resources.slice(same).filter(({ kind, id, text }) => {
      const key = `${kind}/${id}`;
      const sent = left.get(key);
      left.delete(key);
      return sent?.text !== text;
    });
    return [...Array.from(left.values(), ({ kind, id }) => ({ kind, id, text: null })), ...changes];
  }

  #post(): void {
    this.catchUp();
    this.#postTo(this.#ports, this.#posted, this.#sent.length);
    this.#posted = this.#sent.length;
  }

  #postTo(ports: readonly MessagePort[], from: number, to: number): void {
    if (from === to || ports.length === 0) return;
    const message: ControlToWorker = { type: "ahead", resources: this.#sent.slice(from, to) };
    for (const port of ports) port.postMessage(message);
  }
}

function isSame(sent: Change | undefined, { kind, id, text }: Change): boolean {
  return sent !== undefined && sent.kind === kind && sent.id === id && sent.text === text;
}
