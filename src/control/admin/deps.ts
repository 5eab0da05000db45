import type { Kind } from "../../schema/kinds.ts";
import type { Repository } from "../../source/repository.ts";
import type { LoadedView } from "../../store/loaded-view.ts";
import type { Claim } from "../../store/resource.ts";

/** What the resources of the Admin API are kept and judged with. */
export interface ResourceDeps {
  readonly repository: Repository;
  readonly loaded: LoadedView;
  readonly rules: ResourceRules;
  readonly cipher: ResourceCipher;
  /** What stands before a key in answers: `/apisix`. */
  readonly prefix: string;
  /** `admin_api_version`. */
  readonly version: "v3" | "v2";
  /** Whether stream routes are taken: `proxy_mode` has `stream`. */
  readonly stream: boolean;
  /** Unix milliseconds. */
  readonly now: () => number;
}

/** APISIX's rules for resources, in its words. */
export interface ResourceRules {
  /**
   * What APISIX would answer as `error_msg` (schema, rules beyond it, plugins); `null`:
   * nothing is wrong. Secrets are clear text. `value` is the caller's to give away.
   */
  validate(kind: Kind, id: string, value: unknown): string | null;
  /** What a consumer or credential claims through plugins that this node cannot run and so does not load. */
  unloadedClaims(kind: Kind, value: unknown): readonly Claim[];
}

/** Secrets at rest; neither changes `value`. */
export interface ResourceCipher {
  /** As the store keeps it. */
  encrypt<T>(kind: Kind, value: T): T;
  /** Everything in clear text, private keys too. */
  decrypt<T>(kind: Kind, value: T): T;
  /** Private keys alone in clear text. */
  decryptKeys<T>(kind: Kind, value: T): T;
  /** Why a private key is neither PEM nor ciphertext that can be read; `null`: none is. */
  keyFault(kind: Kind, value: unknown): string | null;
}
