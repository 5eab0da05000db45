import type { CacheSettings, CacheZoneSettings } from "../settings/settings.ts";
import type { ConfRule, PluginEnv } from "../plugin/plugin.ts";
import { DiskZone } from "./proxy-cache-disk.ts";
import { tellWorkers } from "./proxy-cache-news.ts";
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
const diskZones = new Map<string, DiskZone>();
const memoryZones = new Map<string, MemoryZone>();

/** The cache of that name. Throws where there is none. */
export function zoneOf(name: string, env: Pick<PluginEnv, "attr" | "counters" | "warn">): CacheZone {
  const settings = cacheZoneIn(env.attr, name);
  if (settings === undefined) throw new Error(`cache_zone ${name} not found`);
  const identity = JSON.stringify(settings);
  const { disk } = settings;
  if (disk === null) return memoryZone(identity);
  let zone = diskZones.get(identity);
  if (zone === undefined) {
    const counters = env.counters.named(`cache ${disk.path}`);
    zone = new DiskZone(settings, counters, (text) => env.warn(text));
    diskZones.set(identity, zone);
  }
  return zone;
}

/** The cache in memory with these settings as JSON, which is what workers call it among themselves. */
export function memoryZone(identity: string): MemoryZone {
  let zone = memoryZones.get(identity);
  if (zone === undefined) {
    const { memoryBytes } = JSON.parse(identity) as CacheZoneSettings;
    const tell = tellWorkers();
    zone = new MemoryZone(memoryBytes, tell === null ? null : (news) => tell(identity, news));
    memoryZones.set(identity, zone);
  }
  return zone;
}
