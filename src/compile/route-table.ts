import type { RequestContext } from "../plugin/context.ts";
import type { Route } from "../schema/route.ts";
import { RouteEntry, type RouteFault } from "./route-entry.ts";
import type { RememberedHost } from "./remembered-host.ts";
import { Router, type RouterKind } from "./router.ts";

/** The routes by id and in the router, under the hosts that they or their services have. */
export class RouteTable {
  readonly #router: Router<RouteEntry>;
  readonly #hostsOf: (serviceId: string) => readonly string[] | null;
  readonly #fault: RouteFault;
  readonly #entries = new Map<string, RouteEntry>();
  /** Routes by the service they name, whether it exists or not. */
  readonly #byService = new Map<string, Set<RouteEntry>>();

  /** `hostsOf` tells the hosts of a service, `null` where it has none or is not there. */
  constructor(kind: RouterKind, hostsOf: (serviceId: string) => readonly string[] | null, fault: RouteFault) {
    this.#fault = fault;
    this.#router = new Router(kind);
    this.#hostsOf = hostsOf;
  }

  /** `host`: see `Router.match`. */
  match(ctx: RequestContext, host: RememberedHost<RouteEntry> | null): RouteEntry | null {
    return this.#router.match(ctx, host);
  }

  /** Every route, disabled ones too. */
  entries(): Iterable<RouteEntry> {
    return this.#entries.values();
  }

  /**
   * Sets or removes (`conf` is `null`) a route and returns the entry that went.
   * Throws an Error with the reason, and changes nothing, where it cannot be compiled.
   */
  set(id: string, text: string | null, conf: Route | null): RouteEntry | undefined {
    const entry =
      text === null || conf === null ? null : new RouteEntry(id, text, conf, !this.#router.byHost, this.#fault);
    const old = this.#entries.get(id);
    if (old !== undefined) this.#forget(old);
    if (entry !== null) this.#note(entry);
    this.#router.replace(old?.enabled === true ? old : null, entry?.enabled === true ? entry : null);
    return old;
  }

  /** Puts the routes of a service that name no host themselves under its present hosts. */
  serviceHostsChanged(serviceId: string): void {
    const hosts = this.#hostsOf(serviceId);
    const entries = [...(this.#byService.get(serviceId) ?? [])].filter((entry) => !entry.hasHosts);
    for (const [before, group] of Map.groupBy(entries, (entry) => entry.hosts)) {
      const enabled = group.filter((entry) => entry.enabled);
      if (!this.#router.byHost) for (const entry of enabled) this.#router.replace(entry, null);
      else if (enabled.length > 0) this.#router.move(enabled, before, hosts);
      for (const entry of group) entry.setHosts(hosts);
      if (!this.#router.byHost) for (const entry of enabled) this.#router.replace(null, entry);
    }
  }

  #note(entry: RouteEntry): void {
    this.#entries.set(entry.id, entry);
    const { serviceId } = entry;
    if (serviceId === null) return;
    const entries = this.#byService.get(serviceId);
    if (entries === undefined) this.#byService.set(serviceId, new Set([entry]));
    else entries.add(entry);
    if (!entry.hasHosts) entry.setHosts(this.#hostsOf(serviceId));
  }

  #forget(entry: RouteEntry): void {
    this.#entries.delete(entry.id);
    const entries = entry.serviceId === null ? undefined : this.#byService.get(entry.serviceId);
    if (entries?.delete(entry) === true && entries.size === 0) this.#byService.delete(entry.serviceId ?? "");
  }
}
