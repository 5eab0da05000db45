/** What is read of the objects of Kubernetes that name the nodes of services. */

/** An address and its port. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

/** What one object says of a service: all of it, or, as one of several slices, a part. */
export interface ServicePart {
  /** `namespace/name` of the object itself. */
  readonly object: string;
  readonly namespace: string;
  /** `namespace/name` of the service. */
  readonly service: string;
  /** The ready addresses by the name of the port, or its number where it has none. */
  readonly ports: ReadonlyMap<string, readonly Endpoint[]>;
}

/** A kind of objects that can be listed and watched. */
export interface EndpointsKind {
  /** Of all namespaces. */
  readonly path: string;
  /** `null` for what is no such object, or belongs to no service. */
  readonly read: (object: unknown) => ServicePart | null;
}

interface Metadata {
  readonly name?: unknown;
  readonly namespace?: unknown;
  readonly labels?: Readonly<Record<string, unknown>> | null;
}

type Ports = readonly { readonly name?: unknown; readonly port?: unknown }[] | null;

interface EndpointsObject {
  readonly metadata?: Metadata;
  readonly subsets?:
    readonly { readonly addresses?: readonly { readonly ip?: unknown }[] | null; readonly ports?: Ports }[] | null;
}

interface SliceObject {
  readonly metadata?: Metadata;
  readonly endpoints?:
    | readonly {
        readonly addresses?: readonly unknown[] | null;
        readonly conditions?: { readonly ready?: unknown } | null;
      }[]
    | null;
  readonly ports?: Ports;
}

/** Endpoints: one object for each service, of the same name. */
export const endpointsKind: EndpointsKind = {
  path: "/api/v1/endpoints",
  read(object) {
    const { metadata, subsets } = object as EndpointsObject;
    const ports = new Map<string, Endpoint[]>();
    for (const { addresses, ports: written } of subsets ?? []) {
      const hosts = (addresses ?? []).map(({ ip }) => ip);
      addAll(ports, hosts, written);
    }
    return partOf(metadata, metadata?.name, ports);
  },
};

/** EndpointSlices: any number for each service, which a label names. */
export const slicesKind: EndpointsKind = {
  path: "/apis/discovery.k8s.io/v1/endpointslices",
  read(object) {
    const { metadata, endpoints, ports: written } = object as SliceObject;
    // What says nothing of being ready is so, by the API's own rule.
    const ready = (endpoints ?? []).filter(({ conditions }) => conditions?.ready !== false);
    const ports = new Map<string, Endpoint[]>();
    const hosts = ready.flatMap(({ addresses }) => addresses ?? []);
    addAll(ports, hosts, written);
    return partOf(metadata, metadata?.labels?.["kubernetes.io/service-name"], ports);
  },
};

/** A port without an address is there, too: the service has it, and nobody behind it. */
function addAll(ports: Map<string, Endpoint[]>, hosts: readonly unknown[], written: Ports | undefined): void {
  const known = hosts.filter((host) => typeof host === "string");
  for (const { name, port } of written ?? []) {
    if (typeof port !== "number") continue;
    const key = typeof name === "string" && name !== "" ? name : String(port);
    const before = ports.get(key) ?? [];
    ports.set(key, [...before, ...known.map((host) => ({ host, port }))]);
  }
}

function partOf(
  metadata: Metadata | undefined,
  service: unknown,
  ports: ReadonlyMap<string, readonly Endpoint[]>,
): ServicePart | null {
  const { name, namespace } = metadata ?? {};
  if (typeof name !== "string" || typeof namespace !== "string" || typeof service !== "string") return null;
  return { object: `${namespace}/${name}`, namespace, service: `${namespace}/${service}`, ports };
}
