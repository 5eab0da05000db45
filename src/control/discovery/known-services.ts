import { distinctTargets, type Target } from "../../upstream/targets.ts";
import type { Endpoint, ServicePart } from "./kubernetes-objects.ts";

/** What a cluster has told of its services: the objects that are there, put together by service. */
export class KnownServices {
  /** By the name of the service, then by that of the object. */
  readonly #services = new Map<string, Map<string, ServicePart>>();
  /** The service that each object belongs to. */
  readonly #owners = new Map<string, string>();

  /** Notes an object; the services that it has changed: two where it belonged to another one. */
  set(part: ServicePart): readonly string[] {
    const before = this.#owners.get(part.object);
    const left = before === undefined || before === part.service ? [] : this.delete(part.object);
    const parts = this.#services.get(part.service) ?? new Map<string, ServicePart>();
    parts.set(part.object, part);
    this.#services.set(part.service, parts);
    this.#owners.set(part.object, part.service);
    return [...left, part.service];
  }

  /** Forgets an object; the service that it has changed, if any. */
  delete(object: string): readonly string[] {
    const service = this.#owners.get(object);
    if (service === undefined) return [];
    this.#owners.delete(object);
    const parts = this.#services.get(service);
    parts?.delete(object);
    if (parts?.size === 0) this.#services.delete(service);
    return [service];
  }

  /** The nodes of one port, sorted; each once, however many objects name it. */
  nodesOf(service: string, port: string, weight: number): readonly Target[] {
    const parts = [...(this.#services.get(service)?.values() ?? [])];
    const endpoints = parts.flatMap(({ ports }) => ports.get(port) ?? []);
    return distinctTargets(endpoints.map((endpoint) => ({ ...endpoint, weight, priority: 0 })));
  }

  /** The nodes of every port of every service, services sorted by name. */
  all(weight: number): ReadonlyMap<string, Readonly<Record<string, readonly Target[]>>> {
    const names = [...this.#services.keys()].sort();
    return new Map(
      names.map((name) => {
        const ports = new Set([...this.#services.get(name)!.values()].flatMap((part) => [...part.ports.keys()]));
        return [name, Object.fromEntries(Array.from(ports, (port) => [port, this.nodesOf(name, port, weight)]))];
      }),
    );
  }

  /** Services of which the two say different things. */
  differences(other: KnownServices): readonly string[] {
    const names = new Set([...this.#services.keys(), ...other.#services.keys()]);
    return [...names].filter((name) => this.#textOf(name) !== other.#textOf(name));
  }

  #textOf(service: string): string {
    const parts = [...(this.#services.get(service)?.values() ?? [])].sort((a, b) => (a.object < b.object ? -1 : 1));
    return JSON.stringify(
      parts.map(({ object, ports }) => [object, [...ports]] satisfies [string, [string, readonly Endpoint[]][]]),
    );
  }
}
