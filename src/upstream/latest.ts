/**
 * The latest value of each key, for its successor. Values are held weakly: a key ends
 * with its last value, which lives as long as somebody uses it.
 */
export class Latest<T extends object> {
  readonly #values = new Map<string, WeakRef<T>>();
  readonly #gone = new FinalizationRegistry<string>((key) => {
    if (this.#values.get(key)?.deref() === undefined) this.#values.delete(key);
  });

  get(key: string): T | undefined {
    return this.#values.get(key)?.deref();
  }

  set(key: string, value: T): void {
    this.#values.set(key, new WeakRef(value));
    this.#gone.register(value, key);
  }
}
