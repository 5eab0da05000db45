import type { SecretResource } from "../../schema/secret.ts";
import { validateResource } from "../../schema/validate.ts";
import type { ReferenceLookup } from "../../store/secret-references.ts";
import type { Staged } from "../../store/stage.ts";
import type { Store } from "../../store/store.ts";
import type { SecretResolver } from "./resolver.ts";

/**
 * Sees to it that the secrets that resources refer to are known before the resources are
 * checked: otherwise a first load would be "ready" without them.
 */
export class SecretFlow {
  readonly #resolver: SecretResolver;
  /** Whether what is being applied changes a manager. */
  #touched = false;
  /** Whether anything has ever referred to a secret: most configurations never do, and pay nothing then. */
  #used = false;

  constructor(resolver: SecretResolver) {
    this.#resolver = resolver;
  }

  /** What checks look references up with. */
  readonly lookup: ReferenceLookup = (reference) => this.#resolver.lookup(reference);

  /** Fetches what has to be known before `staged` is applied; `null`: nothing, it can be applied at once. */
  prepare(staged: Staged, store: Store): Promise<void> | null {
    const references = new Set<string>();
    for (const { content } of staged.entries) {
      if (content.state === "read") for (const reference of content.references) references.add(reference);
    }
    if (references.size > 0) this.#used = true;
    this.#touched = touchesManagers(staged, store);
    if (this.#touched) {
      this.#resolver.setManagers(managersAfter(staged, store));
      for (const reference of store.references()) references.add(reference);
    }
    return references.size === 0 ? null : this.#resolver.prepare(references);
  }

  /** What was prepared last has been applied. What is to be checked again because a manager has changed; mostly nothing. */
  applied(store: Store): ReadonlySet<string> {
    if (!this.#used) return NONE;
    const references = store.references();
    this.#resolver.retain(references);
    return this.#touched ? references : NONE;
  }

  close(): void {
    this.#resolver.close();
  }
}

const NONE: ReadonlySet<string> = new Set();

function touchesManagers({ mode, entries }: Staged, store: Store): boolean {
  if (entries.some(({ kind, content }) => kind === "secrets" && content.state !== "same")) return true;
  // In a whole configuration one may also be missing.
  if (mode === "step") return false;
  const named = new Set(entries.flatMap(({ kind, key }) => (kind === "secrets" ? [key] : [])));
  return managerKeys(store).some((key) => !named.has(key));
}

const managerKeys = (store: Store): string[] => [...store.held.keys()].filter((key) => key.startsWith("secrets/"));

/** The managers that there will be; those that are not valid are left out. */
function managersAfter({ mode, entries }: Staged, store: Store): ReadonlyMap<string, SecretResource> {
  const managers = new Map<string, SecretResource>();
  const named = new Set(entries.map(({ key }) => key));
  for (const key of managerKeys(store)) {
    const held = store.held.get(key);
    if (held !== undefined && (mode === "step" || named.has(key))) managers.set(held.id, JSON.parse(held.text));
  }
  for (const { kind, id, content } of entries) {
    if (kind !== "secrets" || content.state === "same") continue;
    if (content.state === "gone") managers.delete(id);
    if (content.state !== "read") continue;
    const validation = validateResource(kind, content.read(), id);
    if (!("error" in validation)) managers.set(id, validation.value as SecretResource);
  }
  return managers;
}
