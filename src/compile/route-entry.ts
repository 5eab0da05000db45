import type { Route } from "../schema/route.ts";
import { compileConditions, parseHost, type Conditions } from "./conditions.ts";
import { demandOfHosts, demandsOf, isOfHosts, type Demand } from "./demands.ts";
import type { Plan } from "./plan.ts";
import type { Routable } from "./router.ts";

/** Is told what went wrong with a route on a request that it was to decide about. */
export type RouteFault = (id: string, reason: string) => void;

/**
 * A route as the engine holds it: what matching needs, and its text. The rest is
 * read again when the plan is compiled on the first match, so that a table of many
 * thousand routes costs little memory for those that nobody asks for.
 */
export class RouteEntry implements Routable {
  // What each request reads comes first, so that it shares a line of the caches.
  conditions: Conditions;
  /** `null` until the first match and after a change of what it was made from. */
  plan: Plan | null = null;
  readonly id: string;
  readonly text: string;
  readonly uris: readonly string[];
  readonly priority: number;
  readonly serviceId: string | null;
  /** False where the hosts of the service count. */
  readonly hasHosts: boolean;
  readonly enabled: boolean;
  hosts: readonly string[] | null;
  demands: readonly Demand[] | null;
  /** Keys of the resources that `plan` was made from. */
  dependencies: readonly string[] = [];
  readonly #hostIsCondition: boolean;

  /** Throws an Error with the reason where the route's conditions cannot be compiled. */
  constructor(id: string, text: string, conf: Route, hostIsCondition: boolean, fault: RouteFault) {
    this.id = id;
    this.text = text;
    this.uris = conf.uris ?? (conf.uri === undefined ? [] : [conf.uri]);
    this.priority = conf.priority ?? 0;
    this.serviceId = conf.service_id ?? null;
    this.enabled = conf.status !== 0;
    this.#hostIsCondition = hostIsCondition;
    this.conditions = compileConditions(conf, (reason) => fault(id, reason));
    this.demands = demandsOf(conf);
    this.hosts = null;
    const hosts = conf.hosts ?? (conf.host === undefined ? null : [conf.host]);
    this.hasHosts = hosts !== null;
    if (hosts !== null) this.setHosts(hosts);
  }

  /**
   * Sets the hosts. A router that sorts by host and has the entry must be told (`Router.move`); one
   * for which the host is a condition must not have it meanwhile.
   */
  setHosts(hosts: readonly string[] | null): void {
    this.hosts = hosts;
    if (!this.#hostIsCondition) return;
    const patterns = hosts === null ? null : hosts.map(parseHost);
    const demand = patterns === null ? null : demandOfHosts(patterns);
    const others = this.demands?.filter(({ of }) => !isOfHosts(of)) ?? null;
    this.conditions = { ...this.conditions, hosts: patterns };
    this.demands = demand === null ? others : [demand, ...(others ?? [])];
  }
}
