import type { SecretResource } from "../../schema/secret.ts";
import { parseReference } from "../../store/secret-references.ts";
import { fieldOf, type SecretAnswer } from "./answer.ts";
import { lookupEnv } from "./env.ts";
import { ReadQueue } from "./read-queue.ts";
import type { VaultAnswer, VaultClient, VaultManager } from "./vault.ts";

/** What a resolver is made with. Times in milliseconds. */
export interface ResolverOptions {
  readonly env: NodeJS.ProcessEnv;
  /** Reads from Vault; the resolver does not close it. */
  readonly vault: Pick<VaultClient, "read">;
  /**
   * These references would now be answered otherwise than when they were last looked
   * up: a value was changed, went, or came at last. What refers to them should be
   * looked at again. Changes that come close together are told together.
   */
  readonly onChange: (references: readonly string[]) => void;
  /** Told once when reading something begins to fail while its last value is used. Holds no secret. */
  readonly warn: (message: string) => void;
  /** How long a value counts as fresh; then it is read anew in the background. */
  readonly ttlMs?: number;
  /** Pause before what failed is tried again: at first, and at most after doubling each time. */
  readonly retryMs?: { readonly first: number; readonly most: number };
  /** How long `prepare` waits. */
  readonly prepareMs?: number;
  /** Secrets (paths of a manager, each with all its fields) that are kept. */
  readonly maxSecrets?: number;
}

/** Resolves references to secrets for the control thread. */
export interface SecretResolver {
  /**
   * The managers by id, as in `vault/1`. What was read from one that has changed is
   * forgotten; the caller prepares and looks up its references again.
   */
  setManagers(managers: ReadonlyMap<string, SecretResource>): void;
  /**
   * Reads what the references need and is not known yet. Resolves when all of it is
   * there or has failed, or when the time is up; what comes later is told by `onChange`.
   */
  prepare(references: Iterable<string>): Promise<void>;
  /** What is known of a reference, at once. */
  lookup(reference: string): SecretAnswer;
  /** Forgets everything that these references do not need; it is read no more. */
  retain(references: Iterable<string>): void;
  close(): void;
}

/** A path of a manager: what is read in one go. */
interface Secret {
  readonly manager: string;
  readonly path: readonly string[];
  /** The last good answer. */
  fields: { readonly value: unknown } | null;
  error: string | null;
  failures: number;
  /** When it is to be read (again); `Infinity` while that is going on. */
  dueAt: number;
  /** The read that is going on, `null` where there is none. */
  reading: Reading | null;
  /** What was last answered, by reference. */
  readonly answered: Map<string, SecretAnswer>;
}

/** One read. It is overtaken once its secret has another one, or none. */
interface Reading {
  done: Promise<void>;
}

/** Values read from Vault within so short a time are told as one change. */
const GATHER_MS = 50;

/** Makes a resolver; the caller closes it. */
export function createSecretResolver(options: ResolverOptions): SecretResolver {
  return new Resolver(options);
}

class Resolver implements SecretResolver {
  readonly #options: Required<ResolverOptions>;
  readonly #queue = new ReadQueue();
  #managers: ReadonlyMap<string, SecretResource> = new Map();
  readonly #secrets = new Map<string, Secret>();
  #sweep: NodeJS.Timeout | null = null;
  readonly #changed = new Set<string>();
  #telling: NodeJS.Timeout | null = null;
  #closed = false;

  constructor(options: ResolverOptions) {
    const defaults = { ttlMs: 300_000, retryMs: { first: 1_000, most: 60_000 }, prepareMs: 10_000, maxSecrets: 20_000 };
    this.#options = { ...defaults, ...options };
  }

  setManagers(managers: ReadonlyMap<string, SecretResource>): void {
    const before = this.#managers;
    this.#managers = managers;
    const changed = new Set(
      [...before.keys(), ...managers.keys()].filter(
        (id) => JSON.stringify(before.get(id)) !== JSON.stringify(managers.get(id)),
      ),
    );
    for (const secret of this.#secrets.values()) {
      if (!changed.has(secret.manager)) continue;
      Object.assign(secret, unread());
      // They are looked up anew: what the old manager answered is no difference to tell of.
      secret.answered.clear();
    }
    this.#scheduleSweep();
  }

  async prepare(references: Iterable<string>): Promise<void> {
    const waiting = new Set<Promise<void>>();
    for (const reference of references) {
      const secret = this.#secretOf(reference);
      if (secret === null) continue;
      if (secret.dueAt <= Date.now()) this.#read(secret);
      // A failure is an answer; that it is over will be told.
      const unknown = secret.fields === null && secret.error === null;
      if (secret.reading !== null && unknown) waiting.add(secret.reading.done);
    }
    if (waiting.size === 0) return;
    let timer: NodeJS.Timeout | undefined;
    const limit = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, this.#options.prepareMs);
    });
    await Promise.race([Promise.all(waiting), limit]);
    clearTimeout(timer);
  }

  lookup(reference: string): SecretAnswer {
    const parsed = parseReference(reference);
    if ("error" in parsed) return parsed;
    if (parsed.source === "env") return lookupEnv(this.#options.env, parsed.name, parsed.key);
    const unusable = this.#unusable(parsed.manager, parsed.id, parsed.path);
    if (unusable !== null) return { error: unusable };
    const secret = this.#secrets.get(keyOf(parsed.id, parsed.path));
    if (secret === undefined) return { error: this.#isFull() ? this.#full() : `${parsed.id} was not asked yet` };
    const answer = answerOf(secret, parsed.path);
    secret.answered.set(reference, answer);
    return answer;
  }

  retain(references: Iterable<string>): void {
    const needed = new Map<string, Set<string>>();
    for (const reference of references) {
      const parsed = parseReference(reference);
      if ("error" in parsed || parsed.source !== "secret") continue;
      const key = keyOf(parsed.id, parsed.path);
      needed.set(key, (needed.get(key) ?? new Set()).add(reference));
    }
    for (const [key, secret] of this.#secrets) {
      const kept = needed.get(key);
      if (kept === undefined) {
        this.#secrets.delete(key);
        secret.reading = null;
      } else {
        for (const reference of secret.answered.keys()) if (!kept.has(reference)) secret.answered.delete(reference);
      }
    }
  }

  close(): void {
    this.#closed = true;
    if (this.#sweep !== null) clearTimeout(this.#sweep);
    if (this.#telling !== null) clearTimeout(this.#telling);
    this.#secrets.clear();
  }

  /** Why a reference to `id` can never be answered as things are. */
  #unusable(manager: string, id: string, path: readonly string[]): string | null {
    if (manager === "aws" || manager === "gcp") return `secret manager ${manager} is not available in this version`;
    if (manager !== "vault") return `there is no secret manager ${manager}`;
    if (path.length < 2) return "expected $secret://vault/<id>/<path>/<key>";
    return this.#managers.has(id) ? null : `secret manager ${id} does not exist`;
  }

  /** What `reference` needs to be read; `null` where it needs nothing, or where there is no room. */
  #secretOf(reference: string): Secret | null {
    const parsed = parseReference(reference);
    if ("error" in parsed || parsed.source !== "secret") return null;
    if (this.#closed || this.#unusable(parsed.manager, parsed.id, parsed.path) !== null) return null;
    const key = keyOf(parsed.id, parsed.path);
    const known = this.#secrets.get(key);
    if (known !== undefined) return known;
    if (this.#isFull()) return null;
    const secret: Secret = {
      manager: parsed.id,
      path: parsed.path.slice(0, -1),
      ...unread(),
      answered: new Map(),
    };
    this.#secrets.set(key, secret);
    return secret;
  }

  #isFull(): boolean {
    return this.#secrets.size >= this.#options.maxSecrets;
  }

  #full(): string {
    return `more than ${this.#options.maxSecrets} secrets are referred to`;
  }

  #read(secret: Secret): void {
    const manager = this.#managers.get(secret.manager);
    if (manager === undefined) return;
    secret.dueAt = Number.POSITIVE_INFINITY;
    const reading: Reading = { done: Promise.resolve() };
    secret.reading = reading;
    // Its manager may change meanwhile, or nothing need it any more.
    const overtaken = (): boolean => secret.reading !== reading || this.#closed;
    const read = async (): Promise<VaultAnswer | null> =>
      overtaken() ? null : await this.#options.vault.read(manager as VaultManager, secret.path);
    reading.done = this.#queue.run(secret.manager, read).then((answer) => {
      if (answer === null || overtaken()) return;
      secret.reading = null;
      this.#settle(secret, answer);
    });
  }

  #settle(secret: Secret, answer: VaultAnswer): void {
    const { ttlMs, retryMs, warn } = this.#options;
    if ("fields" in answer) {
      Object.assign(secret, { fields: { value: answer.fields }, error: null, failures: 0 });
      // Spread out, so that what was read together is not read anew together.
      secret.dueAt = Date.now() + ttlMs * (0.9 + Math.random() * 0.1);
    } else {
      const { error } = answer;
      if (answer.gone) secret.fields = null;
      if (secret.fields !== null && secret.error === null)
        warn(`${describe(secret)} could not be read again: ${error}; its last value is used`);
      secret.error = error;
      secret.dueAt = Date.now() + Math.min(retryMs.first * 2 ** Math.min(secret.failures++, 30), retryMs.most);
    }
    this.#scheduleSweep();
    for (const [reference, before] of secret.answered) {
      const parsed = parseReference(reference);
      if ("error" in parsed || parsed.source !== "secret") continue;
      const after = answerOf(secret, parsed.path);
      if (!isSame(before, after)) this.#tell(reference);
    }
  }

  #tell(reference: string): void {
    this.#changed.add(reference);
    this.#telling ??= setTimeout(() => {
      this.#telling = null;
      const references = [...this.#changed];
      this.#changed.clear();
      this.#options.onChange(references);
    }, GATHER_MS).unref();
  }

  /** Reads what is due, at most a second late and not all of it at once. */
  #scheduleSweep(): void {
    if (this.#sweep !== null || this.#closed || this.#secrets.size === 0) return;
    const { ttlMs, retryMs } = this.#options;
    const pause = Math.min(1_000, Math.max(5, Math.min(ttlMs, retryMs.first) / 4));
    this.#sweep = setTimeout(() => {
      this.#sweep = null;
      const now = Date.now();
      for (const secret of this.#secrets.values()) if (secret.dueAt <= now) this.#read(secret);
      this.#scheduleSweep();
    }, pause).unref();
  }
}

const keyOf = (manager: string, path: readonly string[]): string => [manager, ...path.slice(0, -1)].join("/");

const describe = ({ manager, path }: Secret): string => `${manager}/${path.join("/")}`;

/** The state of a secret that nothing is known of. */
function unread(): Pick<Secret, "fields" | "error" | "failures" | "dueAt" | "reading"> {
  return { fields: null, error: null, failures: 0, dueAt: 0, reading: null };
}

/** What is known of a reference whose path is `path`, its last part being the field. */
function answerOf(secret: Secret, path: readonly string[]): SecretAnswer {
  if (secret.fields === null) {
    return {
      error: secret.error === null ? `no answer of ${secret.manager} yet` : `${secret.manager}: ${secret.error}`,
    };
  }
  const answer = fieldOf(secret.fields.value, path.at(-1) ?? "", describe(secret));
  return "error" in answer ? answer : { value: answer.value, stale: secret.error };
}

/** Whether two answers are the same to who uses them: a value that has become stale is. */
function isSame(one: SecretAnswer, other: SecretAnswer): boolean {
  if ("error" in one || "error" in other) return "error" in one && "error" in other && one.error === other.error;
  return one.value === other.value;
}
