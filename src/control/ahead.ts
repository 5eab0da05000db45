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
  readonly #ports: readonly MessagePort[];
  readonly #sent: Change[] = [];
  #posted = 0;
  #rest: readonly Change[] | null = null;

  constructor(ports: readonly MessagePort[]) {
    this.#ports = ports;
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
    const left = new Map(this.#sent.map((change) => [`${change.kind}/${change.id}`, change]));
    const changes = resources.filter(({ kind, id, text }) => {
      const key = `${kind}/${id}`;
      const sent = left.get(key);
      left.delete(key);
      return sent?.text !== text;
    });
    return [...Array.from(left.values(), ({ kind, id }) => ({ kind, id, text: null })), ...changes];
  }

  #post(): void {
    const resources = this.#sent.slice(this.#posted);
    if (resources.length === 0) return;
    this.#posted = this.#sent.length;
    for (const port of this.#ports) port.postMessage({ type: "ahead", resources } satisfies ControlToWorker);
  }
}
