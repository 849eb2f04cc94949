/** How a node names itself to others. */
import { checkObject, invalidArgument, refuseThenable } from '../base/checks.ts';
import type { Env } from '../base/env.ts';
import { errorText, PeerlaneError } from '../base/errors.ts';
import { parseIp } from '../base/ip.ts';
import { classOfIp, isLanClass } from '../base/ip-class.ts';
import {
  type EntryChanges,
  firstSeq,
  formatEnode,
  LocalRecord,
  type NodeRecord,
  nodeIdOf,
} from '../enr/index.ts';
import type { Endpoint } from '../io/tcp.ts';
import type { Majority } from './endpoint-ballot.ts';
import {
  EndpointVotes,
  familyOf,
  IP_FAMILIES,
  type IpFamily,
  type Prediction,
  type StatedEndpoint,
} from './endpoint-votes.ts';
import { EVERY_IP, toldHost } from './listen-host.ts';
import type { NodeDatabase } from './node-db/index.ts';

/** How old the entries may be that change while the node runs. */
export const ENTRIES_INTERVAL_MS = 1_000;
/** How soon after a failure the sequence number is written again, when somebody asks for the record. */
export const STORE_RETRY_MS = 10_000;

/** Where a node is reached, on its own machine, that listens on all addresses of a family. */
const LOOPBACK: ReadonlyMap<string, string> = new Map([
  ['0.0.0.0', '127.0.0.1'],
  ['::', '::1'],
]);

/** Ports; one that is undefined: the node does not listen there. */
interface Ports {
  readonly tcp: number | undefined;
  readonly udp: number | undefined;
}

/** Where a node listens, or others reach it. */
export interface LocalEndpoints extends Ports {
  readonly host: string;
  /**
   * What somebody has said who must know, the user or a router: that `host` is where others reach the node, or that they do
   * so at the UDP port, too. Default: neither, the node only listens there.
   */
  readonly known?: 'address' | 'endpoint';
  /**
   * The other family: where the node listens there, if it has an address of each, or others reach it; or the ports alone, where
   * it listens on all addresses of both, and `host` is one that is known.
   */
  readonly beside?: (Ports & Partial<Pick<LocalEndpoints, 'host' | 'known'>>) | undefined;
}

export const NOWHERE: LocalEndpoints = { host: '0.0.0.0', tcp: undefined, udp: undefined };

/** Where a node listens by TCP, by UDP, or at the same addresses by both; port 0: not yet. */
export function placesOf(tcp: readonly Endpoint[], udp: readonly Endpoint[]): LocalEndpoints[] {
  const portAt = (host: string, endpoints: readonly Endpoint[]) =>
    endpoints.find((one) => one.host === host)?.port || undefined;
  return (tcp.length > 0 ? tcp : udp).map(({ host }) => ({
    ...{ host, tcp: portAt(host, tcp), udp: portAt(host, udp) },
  }));
}

/**
 * Of a node that listens at one place, or at one of each family.
 * @param externalIps where others reach the node, one address of a family, as far as that is known
 */
export function endpointsOf(
  places: readonly LocalEndpoints[],
  externalIps: readonly string[] = [],
): LocalEndpoints {
  const isAlone = places.length === 1;
  const all = places.flatMap((place) => {
    const told = externalIps.filter((ip) => isAlone || familyOf(ip) === familyOf(place.host));
    return told.length === 0 ? [place] : told.map((host) => ({ ...place, host, known: 'endpoint' as const }));
  });
  const own = all.find(({ known }) => known !== undefined) ?? all[0] ?? NOWHERE;
  const other = all.find((one) => one !== own);
  const [only] = places;
  const isElsewhere = isAlone && own !== only;
  return { ...own, beside: other ?? (isElsewhere ? only && portsBeside(only) : undefined) };
}

/** What there is of a node by the family of which its external address is not. @param own where it listens */
export function portsBeside({ host, tcp, udp, beside }: LocalEndpoints): LocalEndpoints['beside'] {
  return beside ?? (host === EVERY_IP ? { tcp, udp } : undefined);
}

/** The same places, that of IPv4 first if there is one: a router maps its ports. */
export function ipv4First({ beside, ...own }: LocalEndpoints): LocalEndpoints {
  const { host } = beside ?? {};
  if (beside === undefined || host === undefined || familyOf(host) === 6) return { ...own, beside };
  return { ...beside, host, beside: own };
}

/** The entries of the record (EIP-778) of a node that listens there: each family has its own, whatever the other's are. */
function endpointEntries({ beside, ...own }: LocalEndpoints): EntryChanges {
  const other = beside?.host === undefined ? {} : familyEntries({ ...beside, host: beside.host });
  return { ...familyEntries(own), ...other };
}

function familyEntries({ host, tcp, udp }: LocalEndpoints): EntryChanges {
  if (tcp === undefined && udp === undefined) return {};
  // A host name, or an address that stands for all, is no address to be reached at.
  const ip = parseIp(host) !== undefined && !LOOPBACK.has(host) ? host : undefined;
  return familyOf(host) === 4 ? { ip, tcp, udp } : { ip6: ip, tcp6: tcp, udp6: udp };
}

/** Whether others may know more than the node itself of where it is reached by the family of its host. */
function mayLearn({ host, udp, known }: LocalEndpoints): boolean {
  if (udp === undefined || known === 'endpoint') return false;
  return known === 'address' || LOOPBACK.has(host) || isBehindSomething(host);
}

/** Whether the host is an address that others than this machine reach, but not everybody. */
function isBehindSomething(host: string): boolean {
  const address = parseIp(host);
  const name = address && classOfIp(address);
  return name !== undefined && (isLanClass(name) || name === 'special');
}

/** What others say of an endpoint, as far as it is of use to a node that knows so much of it itself. */
function usefulTo({ host, known }: LocalEndpoints, seen: Prediction): boolean {
  if (known === 'address') return seen.ip === host;
  return LOOPBACK.has(host) || seen.isGlobal;
}

/** What a translator does to the TCP port nobody says: it is as often as not the same. */
function seenEntry(family: IpFamily, { ip, udpPort }: Prediction, { tcp, udp }: Ports): EntryChanges {
  // Where each sees another UDP port, others reach none of these; the own one may be forwarded.
  const port = udpPort ?? udp;
  return family === 4 ? { ip, tcp, udp: port } : { ip6: ip, tcp6: tcp, udp6: port };
}

/**
 * The entries that others have told of: where they see a node that listens on all addresses, or on one that is not reached
 * from everywhere; and the UDP port at an address that is known.
 */
function seenEntries(endpoints: LocalEndpoints, votes: EndpointVotes): EntryChanges {
  let entries: EntryChanges = {};
  for (const family of IP_FAMILIES) {
    const [seen, own] = [votes.prediction(family), endpointsBy(family, endpoints)];
    if (seen === undefined || own === undefined || !mayLearn(own) || !usefulTo(own, seen)) continue;
    entries = { ...entries, ...seenEntry(family, seen, own) };
  }
  return entries;
}

/** Where the node listens by a family, if it does. */
export function endpointsBy(family: IpFamily, endpoints: LocalEndpoints): LocalEndpoints | undefined {
  const { host, beside } = endpoints;
  if (family === familyOf(host)) return endpoints;
  if (beside !== undefined) return { host: EVERY_IP, ...beside };
  return host === EVERY_IP ? endpoints : undefined;
}

/** What a majority sees of the node from outside, beside what the node itself has been told. */
export interface OutsideView extends Majority {
  readonly known: LocalEndpoints['known'];
  /** The address of the same family in the record. */
  readonly recordIp: string | undefined;
}

export interface LocalNodeOptions {
  /** The secret key. */
  readonly key: Uint8Array;
  readonly env: Env;
  /** Entries that stay, unless `entries` has others of the same name; default: none. */
  readonly fixedEntries?: EntryChanges | undefined;
  /** Entries beside those that say where the node listens; default: none. */
  readonly entries?: (() => EntryChanges) | undefined;
  readonly database: NodeDatabase | undefined;
  /** Told that the entries, or the writing of the sequence number, have failed. */
  readonly failed: (error: unknown) => void;
  /** Told when others have made the record name another endpoint. */
  readonly moved?: () => void;
}

/** @throws PeerlaneError `invalid-argument` unless there are entries now; a PeerlaneError that is thrown stays as it is */
function entriesOf(entries: () => EntryChanges): EntryChanges {
  try {
    const given = entries();
    refuseThenable('recordEntries', given);
    checkObject('what recordEntries gives', given);
    // Without a copy a getter could throw later.
    return { ...given };
  } catch (error) {
    if (error instanceof PeerlaneError) throw error;
    throw invalidArgument(`recordEntries has thrown: ${errorText(error)}`, error);
  }
}

/** The record of the node itself, and its enode URL. */
export class LocalNode {
  readonly #options: LocalNodeOptions;
  #local: LocalRecord;
  readonly #votes = new EndpointVotes();
  #endpoints = NOWHERE;
  /** The entries that were set last: what is not among them any more is taken out. */
  #entries: EntryChanges = {};
  #refreshAt = Number.NEGATIVE_INFINITY;
  #storing: Promise<void> | undefined;
  #storedSeq = -1n;
  #storeAt = Number.NEGATIVE_INFINITY;

  constructor(options: LocalNodeOptions) {
    this.#options = options;
    const { key, env } = options;
    this.#local = new LocalRecord(key, { seq: firstSeq(env.unixTime()) });
  }

  /** Goes on above the sequence number of earlier runs. @throws PeerlaneError what the database throws */
  async load(): Promise<void> {
    const { key, env, database } = this.#options;
    const stored = await database?.localSeq(nodeIdOf(this.#local.publicKey));
    if (stored === undefined) return;
    const isUsable = stored < (1n << 64n) - (1n << 32n);
    this.#local = new LocalRecord(key, { seq: firstSeq(env.unixTime(), isUsable ? stored : undefined) });
  }

  /**
   * Says where the node listens, or where others reach it.
   * @throws PeerlaneError `invalid-argument`, `invalid-record`: what `LocalRecord.update` says of the entries; what
   * `entries` throws, `invalid-argument` unless it is a PeerlaneError
   */
  listens(endpoints: LocalEndpoints): void {
    const { host, beside } = endpoints;
    const other = beside?.host === undefined ? beside : { ...beside, host: toldHost(beside.host) };
    this.#endpoints = { ...endpoints, host: toldHost(host), beside: other };
    this.#refresh();
  }

  /**
   * A node has answered a Ping of ours, and says where it sees us. Where nobody knows better, the record names what enough
   * of them say (`EndpointVotes`).
   */
  seen(voter: StatedEndpoint, stated: StatedEndpoint): void {
    if (!this.#votes.add(voter, stated, this.#options.env.now())) return;
    if (this.#endpoints.udp === undefined) return;
    const { seq } = this.#local;
    this.#tryRefresh();
    if (this.#local.seq !== seq) this.#options.moved?.();
  }

  /** Resolves when the sequence number of the record has been kept, or could not be. */
  async stored(): Promise<void> {
    while (this.#storing !== undefined) await this.#storing;
  }

  /** The record as it stands. */
  get record(): NodeRecord {
    if (this.#options.env.now() >= this.#refreshAt) this.#tryRefresh();
    return this.#local.record;
  }

  /** `enode://...`: see `Server.enode`. */
  get enode(): string {
    return this.enodes[0];
  }

  /** See `Server.enodes`. */
  get enodes(): readonly [string, ...string[]] {
    const { host, beside } = this.#endpoints;
    const isOfBoth = host === EVERY_IP && beside === undefined;
    const families = isOfBoth || familyOf(host) === 4 ? IP_FAMILIES : IP_FAMILIES.toReversed();
    const [first, ...others] = families.flatMap((family) => this.#reachedBy(family) ?? []);
    if (first !== undefined) return [this.#enodeAt(first), ...others.map((one) => this.#enodeAt(one))];
    const there = beside?.host === undefined ? [] : [{ ...beside, host: beside.host }];
    return [this.#enodeAt(this.#endpoints), ...there.map((one) => this.#enodeAt(one))];
  }

  /** Where others reach the node by a family, if that is known. */
  #reachedBy(family: IpFamily): LocalEndpoints | undefined {
    const own = endpointsBy(family, this.#endpoints);
    if (own === undefined) return undefined;
    const isEverywhere = LOOPBACK.has(own.host);
    if (!isEverywhere && !mayLearn(own)) return own;
    const { ip, udp, ip6, udp6 } = this.#entries;
    const [seen, port] = family === 4 ? [ip, udp] : [ip6, udp6];
    if (seen !== undefined) return { host: seen, tcp: own.tcp, udp: port ?? own.udp };
    return isEverywhere ? undefined : own;
  }

  #enodeAt({ host, tcp: tcpPort = 0, udp: udpPort = 0 }: LocalEndpoints): string {
    const { publicKey } = this.#local;
    return formatEnode({ publicKey, host: LOOPBACK.get(host) ?? host, tcpPort, udpPort });
  }

  /** What enough networks of the Internet say at present of where the node is, and whether its record has it from others. */
  fromOutside(): OutsideView[] {
    const { env } = this.#options;
    const { ip, ip6 } = this.#entries;
    return IP_FAMILIES.flatMap((family) => {
      const seen = this.#votes.fromOutside(family, env.now());
      const known = endpointsBy(family, this.#endpoints)?.known;
      return seen === undefined ? [] : [{ ...seen, known, recordIp: family === 4 ? ip : ip6 }];
    });
  }

  #tryRefresh(): void {
    try {
      this.#refresh();
    } catch (error) {
      this.#options.failed(error);
    }
  }

  #refresh(): void {
    const { env, fixedEntries, entries } = this.#options;
    this.#refreshAt = env.now() + ENTRIES_INTERVAL_MS;
    const wanted = {
      ...endpointEntries(this.#endpoints),
      ...seenEntries(this.#endpoints, this.#votes),
      ...fixedEntries,
      ...(entries && entriesOf(entries)),
    };
    const gone = Object.fromEntries(Object.keys(this.#entries).map((key) => [key, undefined]));
    this.#local.update({ ...gone, ...wanted });
    this.#entries = wanted;
    this.#store();
  }

  /** Writes the number; what changes meanwhile is written after it. */
  #store(): void {
    const { database, env, failed } = this.#options;
    const { seq, publicKey } = this.#local;
    if (database === undefined || this.#storing !== undefined || seq === this.#storedSeq) return;
    if (env.now() < this.#storeAt) return;
    const stored = (): void => {
      this.#storing = undefined;
      this.#storedSeq = seq;
      this.#store();
    };
    this.#storing = database.storeLocalSeq(nodeIdOf(publicKey), seq).then(stored, (error: unknown) => {
      this.#storing = undefined;
      this.#storeAt = env.now() + STORE_RETRY_MS;
      failed(error);
    });
  }
}
