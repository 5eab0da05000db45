import type { CacheSettings, CacheZoneSettings } from "../settings/settings.ts";
import type { ConfRule, PluginEnv } from "../plugin/plugin.ts";
import { DiskZone } from "./proxy-cache-disk.ts";
import { MemoryZone, type CacheZone } from "./proxy-cache-zone.ts";

/** Caches as APISIX has them where nobody has written any. */
const defaults: CacheSettings = {
  ttlMs: 10_000,
  zones: [
    {
      name: "disk_cache_one",
      memoryBytes: 52_428_800,
      disk: { path: "/tmp/disk_cache_one", bytes: 1_073_741_824, levels: [1, 2] },
    },
    { name: "memory_cache", memoryBytes: 52_428_800, disk: null },
  ],
};

/** `apisix.proxy_cache` in the attributes of `proxy-cache`; the defaults where there is none. */
export function cacheSettingsIn(attr: Readonly<Record<string, unknown>>): CacheSettings {
  return Array.isArray(attr.zones) ? (attr as unknown as CacheSettings) : defaults;
}

export function cacheZoneIn(attr: Readonly<Record<string, unknown>>, name: unknown): CacheZoneSettings | undefined {
  return cacheSettingsIn(attr).zones.find((zone) => zone.name === name);
}

/** A cache must be there, and be of the kind that the strategy wants. */
export const cacheZoneFault: ConfRule = ({ cache_zone: name, cache_strategy: strategy }, { attr }) => {
  const zone = cacheZoneIn(attr?.("proxy-cache") ?? {}, name);
  if (zone === undefined) return `cache_zone ${String(name)} not found`;
  const kind = zone.disk === null ? "memory" : "disk";
  return kind === strategy ? null : `invalid or empty cache_zone for cache_strategy: ${String(strategy)}`;
};

/** The caches of this thread, by what is configured of them; they outlive changes of resources. */
const zones = new Map<string, CacheZone>();

/** The cache of that name. Throws where there is none. */
export function zoneOf(name: string, env: Pick<PluginEnv, "attr" | "counters" | "warn">): CacheZone {
  const settings = cacheZoneIn(env.attr, name);
  if (settings === undefined) throw new Error(`cache_zone ${name} not found`);
  const identity = JSON.stringify(settings);
  let zone = zones.get(identity);
  if (zone === undefined) {
    const { disk, memoryBytes } = settings;
    const counters = env.counters.named(`cache ${disk?.path ?? name}`);
    zone = disk === null ? new MemoryZone(memoryBytes) : new DiskZone(settings, counters, (text) => env.warn(text));
    zones.set(identity, zone);
  }
  return zone;
}
