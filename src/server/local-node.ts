/** How a node names itself to others. */
import { checkObject, invalidArgument, refuseThenable } from '../base/checks.ts';
import type { Env } from '../base/env.ts';
import { errorText, PeerlaneError } from '../base/errors.ts';
import { parseIpv4, parseIpv6 } from '../base/ip.ts';
import {
  type EntryChanges,
  firstSeq,
  formatEnode,
  LocalRecord,
  type NodeRecord,
  nodeIdOf,
} from '../enr/index.ts';
import type { Endpoint } from '../io/tcp.ts';
import { EndpointVotes, type StatedEndpoint } from './endpoint-votes.ts';
import { toldHost } from './listen-host.ts';
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

/** Where a node listens; a port that is undefined: it does not. */
export interface LocalEndpoints {
  readonly host: string;
  readonly tcp: number | undefined;
  readonly udp: number | undefined;
}

export const NOWHERE: LocalEndpoints = { host: '0.0.0.0', tcp: undefined, udp: undefined };

/** @param externalIp where others reach the node, if that is known */
export function endpointsOf(
  listener: Endpoint | undefined,
  discovery: Endpoint | undefined,
  externalIp?: string,
): LocalEndpoints {
  const { host = NOWHERE.host } = listener ?? discovery ?? {};
  return { host: externalIp ?? host, tcp: listener?.port, udp: discovery?.port };
}

/** The entries of the record (EIP-778) of a node that listens there. */
function endpointEntries({ host, tcp, udp }: LocalEndpoints): EntryChanges {
  if (tcp === undefined && udp === undefined) return {};
  // A host name, or an address that stands for all, is no address to be reached at.
  const ip = parseIpv4(host) !== undefined && !LOOPBACK.has(host) ? host : undefined;
  const ip6 = parseIpv6(host) !== undefined && !LOOPBACK.has(host) ? host : undefined;
  return { ip, ip6, ...(host.includes(':') ? { tcp6: tcp, udp6: udp } : { tcp, udp }) };
}

/** Whether only others can tell where the node is reached. */
function mustLearn({ host, udp }: LocalEndpoints): boolean {
  return udp !== undefined && LOOPBACK.has(host);
}

/**
 * The entries of a node that listens on all addresses, as far as others have told where they see it. What a translator
 * does to the TCP port nobody says: it is as often as not the same.
 */
function seenEntries(endpoints: LocalEndpoints, votes: EndpointVotes): EntryChanges {
  if (!mustLearn(endpoints)) return {};
  const { host, tcp } = endpoints;
  const seen4 = votes.prediction(4);
  const seen6 = host === '::' ? votes.prediction(6) : undefined;
  return {
    ...(seen4 && { ip: seen4.ip, tcp, udp: seen4.udpPort }),
    ...(seen6 && { ip6: seen6.ip, tcp6: tcp, udp6: seen6.udpPort }),
  };
}

export interface LocalNodeOptions {
  /** The secret key. */
  readonly key: Uint8Array;
  readonly env: Env;
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
    this.#endpoints = { ...endpoints, host: toldHost(endpoints.host) };
    this.#refresh();
  }

  /**
   * A node has answered a Ping of ours, and says where it sees us. Where the node listens on all addresses, the record
   * names what enough of them say (`EndpointVotes`).
   */
  seen(voter: StatedEndpoint, stated: StatedEndpoint): void {
    // Who is told where it is needs no votes.
    if (this.#endpoints.udp !== undefined && !mustLearn(this.#endpoints)) return;
    const isChanged = this.#votes.add(voter, stated, this.#options.env.now());
    if (!isChanged || !mustLearn(this.#endpoints)) return;
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
    const { host, tcp = 0, udp = 0 } = this.#endpoints;
    const { publicKey } = this.#local;
    const here = LOOPBACK.get(host);
    if (here === undefined) return formatEnode({ publicKey, host, tcpPort: tcp, udpPort: udp });
    const { ip, udp: udp4, ip6, udp6 } = this.#entries;
    const udpPort = (ip === undefined ? udp6 : udp4) ?? udp;
    return formatEnode({ publicKey, host: ip ?? ip6 ?? here, tcpPort: tcp, udpPort });
  }

  #tryRefresh(): void {
    try {
      this.#refresh();
    } catch (error) {
      this.#options.failed(error);
    }
  }

  #refresh(): void {
    const { env, entries } = this.#options;
    this.#refreshAt = env.now() + ENTRIES_INTERVAL_MS;
    const wanted = {
      ...endpointEntries(this.#endpoints),
      ...seenEntries(this.#endpoints, this.#votes),
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
