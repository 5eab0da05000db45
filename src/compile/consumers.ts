import { hash } from "node:crypto";
import { flat } from "../lib/flat-string.ts";
import { sameBytes } from "../lib/same-bytes.ts";
import { TextMap } from "../lib/text-map.ts";
import type { Consumer } from "../plugin/context.ts";
import type { ConsumerLookup, BuiltPlugins } from "../plugin/plugin.ts";
import type { ConsumerGroup } from "../schema/consumer-group.ts";
import type { ConsumerResource } from "../schema/consumer.ts";
import { parseCredentialKey, type CredentialResource } from "../schema/credential.ts";
import type { PluginConf, Plugins } from "../schema/plugins.ts";

/** `plugins` of consumers that bring none; plans compare with it by identity. */
export const NO_PLUGINS: Readonly<Record<string, PluginConf>> = Object.freeze({});

/** A consumer together with the resources that its plugins come from. */
class IndexedConsumer implements Consumer {
  readonly username: string;
  readonly groupId: string | null;
  readonly customId: string | null;
  readonly credentialId: string | null;
  readonly authConf: Readonly<Record<string, unknown>>;
  readonly plugins: Readonly<Record<string, PluginConf>>;
  /** Names of the plugins that the consumer itself configures, not its group. */
  readonly own: Plugins | undefined;

  constructor(
    conf: ConsumerResource,
    plugins: Readonly<Record<string, PluginConf>>,
    credentialId: string | null,
    authConf: Readonly<Record<string, unknown>>,
  ) {
    this.username = conf.username;
    this.groupId = conf.group_id ?? null;
    this.customId = conf.labels?.["custom_id"] ?? null;
    this.credentialId = credentialId;
    this.authConf = authConf;
    this.plugins = plugins;
    this.own = conf.plugins;
  }
}

/** The key of the resource that gives `plugin` to the consumer. */
export function ownerOf(consumer: Consumer, plugin: string): string {
  const inherited = consumer instanceof IndexedConsumer && consumer.own?.[plugin] === undefined;
  return inherited ? `consumer_groups/${consumer.groupId ?? ""}` : `consumers/${consumer.username}`;
}

/** What identifies a consumer to one authentication plugin. */
interface Identity {
  readonly username: string;
  readonly credentialId: string | null;
  readonly plugin: string;
  readonly conf: PluginConf;
  /** SHA-256 of the identifying value, and the value. */
  readonly digest: string;
  readonly value: Buffer;
  /** Made on first use and after every change that it shows. */
  consumer: Consumer | null;
}

interface Member {
  readonly conf: ConsumerResource;
  /** With the group's; made on first use. */
  plugins: Readonly<Record<string, PluginConf>> | null;
  /** The consumer by name, without a credential; made on first use. */
  plain: Consumer | null;
}

/** Digests that a thread remembers: making one costs more than everything else of a lookup. */
const REMEMBERED = 8_192;

/**
 * Consumers, credentials and consumer groups, found by what requests present.
 * Values are looked up by their digest, so that the time tells nothing about how
 * much of a guess is right.
 */
export class ConsumerIndex implements ConsumerLookup {
  readonly #registry: BuiltPlugins;
  readonly #members = new Map<string, Member>();
  readonly #groups = new Map<string, ConsumerGroup>();
  readonly #usernamesByGroup = new Map<string, Set<string>>();
  /** Identities by the resource that holds them: a username or the key of a credential. */
  readonly #identities = new Map<string, readonly Identity[]>();
  readonly #credentialsOf = new Map<string, Set<string>>();
  /** By plugin, then by digest. More than one identity there is a duplicate that control let pass. */
  readonly #byDigest = new Map<string, Map<string, Identity[]>>();
  /** Digests of values that were somebody's when they were presented; strangers put none in. */
  readonly #digests = new TextMap<string>();

  constructor(registry: BuiltPlugins) {
    this.#registry = registry;
  }

  byKey(plugin: string, value: string): Consumer | undefined {
    const remembered = this.#digests.get(value);
    const digest = remembered ?? digestOf(value);
    const identities = this.#byDigest.get(plugin)?.get(digest);
    if (identities === undefined) return undefined;
    if (remembered === undefined) this.#digests.remember(flat(value), digest, REMEMBERED);
    const bytes = Buffer.from(value);
    for (const identity of identities) {
      if (sameBytes(bytes, identity.value)) {
        identity.consumer ??= this.#build(identity);
        if (identity.consumer !== null) return identity.consumer;
      }
    }
    return undefined;
  }

  byName(username: string): Consumer | undefined {
    const member = this.#members.get(username);
    if (member === undefined) return undefined;
    member.plain ??= new IndexedConsumer(member.conf, this.#pluginsOf(member), null, {});
    return member.plain;
  }

  /** Sets or removes (`null`) a consumer. */
  setConsumer(username: string, conf: ConsumerResource | null): void {
    const group = this.#members.get(username)?.conf.group_id;
    if (group !== undefined) removeFrom(this.#usernamesByGroup, group, username);
    if (conf === null) this.#members.delete(username);
    else {
      this.#members.set(username, { conf, plugins: null, plain: null });
      if (conf.group_id !== undefined) addTo(this.#usernamesByGroup, conf.group_id, username);
    }
    this.#setIdentities(username, username, null, conf?.plugins);
    this.#forget(username);
  }

  /** Sets or removes (`null`) a credential; `key` is `<username>/credentials/<id>`. */
  setCredential(key: string, conf: CredentialResource | null): void {
    const parsed = parseCredentialKey(key);
    if (parsed === null) throw new Error(`invalid key of a credential: ${key}`);
    this.#setIdentities(key, parsed.username, parsed.id, conf?.plugins);
    if (conf === null) removeFrom(this.#credentialsOf, parsed.username, key);
    else addTo(this.#credentialsOf, parsed.username, key);
  }

  /** Sets or removes (`null`) a consumer group. */
  setGroup(id: string, conf: ConsumerGroup | null): void {
    if (conf === null) this.#groups.delete(id);
    else this.#groups.set(id, conf);
    for (const username of this.#usernamesByGroup.get(id) ?? []) this.#forget(username);
  }

  /** Makes new objects of the consumers that bring this plugin, so that plans with it are made anew. */
  forgetPlugin(plugin: string): void {
    for (const [username, member] of this.#members) {
      if (this.#pluginsOf(member)[plugin] !== undefined) this.#forget(username);
    }
  }

  /** Drops the objects made of a consumer, so that the next lookup makes new ones. */
  #forget(username: string): void {
    const member = this.#members.get(username);
    if (member !== undefined) {
      member.plugins = null;
      member.plain = null;
    }
    for (const identity of this.#identities.get(username) ?? []) identity.consumer = null;
    for (const key of this.#credentialsOf.get(username) ?? []) {
      for (const identity of this.#identities.get(key) ?? []) identity.consumer = null;
    }
  }

  #build(identity: Identity): Consumer | null {
    const member = this.#members.get(identity.username);
    if (member === undefined) return null;
    return new IndexedConsumer(member.conf, this.#pluginsOf(member), identity.credentialId, identity.conf);
  }

  #pluginsOf(member: Member): Readonly<Record<string, PluginConf>> {
    if (member.plugins !== null) return member.plugins;
    const group = member.conf.group_id === undefined ? undefined : this.#groups.get(member.conf.group_id);
    const all = Object.entries({ ...group?.plugins, ...member.conf.plugins });
    const others = all.filter(([name]) => this.#registry.get(name)?.type !== "auth");
    member.plugins = others.length === 0 ? NO_PLUGINS : Object.freeze(Object.fromEntries(others));
    return member.plugins;
  }

  #setIdentities(holder: string, username: string, credentialId: string | null, plugins: Plugins | undefined): void {
    for (const identity of this.#identities.get(holder) ?? []) this.#unlist(identity);
    const identities: Identity[] = [];
    for (const [plugin, conf] of Object.entries(plugins ?? {})) {
      const attribute = this.#registry.get(plugin)?.consumerKey;
      const value = attribute === undefined ? undefined : conf[attribute];
      if (typeof value !== "string" || conf._meta?.disable === true) continue;
      const digest = digestOf(value);
      identities.push({ username, credentialId, plugin, conf, digest, value: Buffer.from(value), consumer: null });
    }
    if (identities.length === 0) this.#identities.delete(holder);
    else this.#identities.set(holder, identities);
    for (const identity of identities) this.#list(identity);
  }

  #list(identity: Identity): void {
    let byDigest = this.#byDigest.get(identity.plugin);
    if (byDigest === undefined) this.#byDigest.set(identity.plugin, (byDigest = new Map<string, Identity[]>()));
    const identities = byDigest.get(identity.digest);
    if (identities === undefined) byDigest.set(identity.digest, [identity]);
    else {
      // Sorted, so that every worker takes the same of two, whichever came first.
      identities.push(identity);
      identities.sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1));
    }
  }

  #unlist(identity: Identity): void {
    const byDigest = this.#byDigest.get(identity.plugin);
    const identities = byDigest?.get(identity.digest)?.filter((other) => other !== identity) ?? [];
    if (identities.length === 0) byDigest?.delete(identity.digest);
    else byDigest?.set(identity.digest, identities);
  }
}

function digestOf(value: string): string {
  return hash("sha256", value, "base64");
}

function nameOf(identity: Identity): string {
  return `${identity.username}/${identity.credentialId ?? ""}`;
}

function addTo(sets: Map<string, Set<string>>, key: string, member: string): void {
  const set = sets.get(key);
  if (set === undefined) sets.set(key, new Set([member]));
  else set.add(member);
}

function removeFrom(sets: Map<string, Set<string>>, key: string, member: string): void {
  const set = sets.get(key);
  if (set?.delete(member) === true && set.size === 0) sets.delete(key);
}
