/** What a server has seen of nodes and dials, for whoever asks why its peers are who they are. */
import { toBareHex } from '../base/bytes.ts';
import type { Env } from '../base/env.ts';
import type { ErrorCode, PeerlaneError } from '../base/errors.ts';
import { isLocal } from '../base/ip-class.ts';
import { Held } from '../base/recent.ts';
import { PUBLIC_KEY_LENGTH } from '../crypto/index.ts';
import { type MappedProtocol, mostTelling } from '../nat/index.ts';
import type { PeerInfo } from '../p2p/index.ts';
import { type Ban, endOfBan } from './ban-codec.ts';
import type { Connection } from './connection.ts';
import type { DiagnosisFacts, DialCounts } from './diagnosis-facts.ts';
import { type DialOutcome, MAX_DIAL_BACKOFF_MS, outcomeOfStay } from './dial-backoff.ts';
import { DialTally, type LeftOut } from './dial-tally.ts';
import type { DialTarget } from './dial-target.ts';
import type { DialFailure } from './dialer-options.ts';
import type { IpFamily } from './endpoint-votes.ts';
import type { ServerEvent } from './events.ts';
import { addressOf } from './net-restrict.ts';
import { type NodeLogEntry, type NodeLogNote, NodeLogs } from './node-logs.ts';
import type { FoundNode } from './node-mix.ts';
import { RECENT_MS, RecentCounts } from './recent-counts.ts';
import type { ReputationDecision } from './reputation.ts';

/** So long at least dials count where no peer is there: longer than any node is left alone. */
export const MEMORY_MS: number = 2 * MAX_DIAL_BACKOFF_MS;

const JUDGEMENTS = { penalise: 'penalised', disconnect: 'dropped', ban: 'banned' } as const;

/** Nodes that are left out for where they are, by why, of which it is known that they have been counted of late. */
const MAX_LEFT_OUT = 4_096;

/** A connection that has led to no peer. */
export type Refused = Pick<Connection, 'claimedId' | 'remoteId' | 'remoteAddress'>;

export class Observations {
  readonly #env: Pick<Env, 'now' | 'unixTime'>;
  readonly #startedAt: number;
  readonly #logs = new NodeLogs();
  readonly #recent = new DialTally(RECENT_MS);
  readonly #sinceLastPeer = new DialTally(MEMORY_MS);
  readonly #toldOf = { restricted: new Held(MAX_LEFT_OUT), crowded: new Held(MAX_LEFT_OUT) };
  readonly #turnedAway = new RecentCounts<'turned-away'>();
  readonly #inboundCodes = new RecentCounts<ErrorCode>();
  /** When somebody from the Internet last came in. */
  #reachedAt: number | undefined;
  /** By protocol and family, why a port is not mapped, if it is not. */
  readonly #mappings: Readonly<Record<MappedProtocol, Map<IpFamily, PeerlaneError | undefined>>> = {
    tcp: new Map(),
    udp: new Map(),
  };

  constructor(env: Pick<Env, 'now' | 'unixTime'>) {
    this.#env = env;
    this.#startedAt = env.now();
  }

  found({ publicKey, source }: FoundNode): void {
    this.#note(publicKey, { kind: 'found', message: `found by ${source}` });
  }

  /** The record of a node says that it is of no use. */
  passedOver({ publicKey, source }: FoundNode): void {
    this.#left(source === 'v5' ? 'foreign' : 'passed-over');
    this.#note(publicKey, {
      kind: 'passed-over',
      message: `its record, found by ${source}, is of another chain or fork${source === 'v5' ? ', or of none' : ''}`,
    });
  }

  /** A node that was found is at an address that `netRestrict` or `netDeny` refuses. */
  restricted({ publicKey, source, host }: Pick<FoundNode, 'publicKey' | 'source' | 'host'>): void {
    this.#leftOut(publicKey, 'restricted', {
      kind: 'passed-over',
      code: 'address-refused',
      message: `netRestrict or netDeny refuses ${host}, where it was found by ${source}`,
    });
  }

  /** A node that was found is in a network that has its part of the slots for dialed nodes. */
  crowded({ publicKey, host }: DialTarget): void {
    const message = `the network of ${host} has its part of the slots`;
    this.#leftOut(publicKey, 'crowded', { kind: 'passed-over', message });
  }

  dialFailed({ enode, error, outcome }: DialFailure): void {
    const { code, message } = error;
    this.#count(outcome, error);
    this.#note(enode.publicKey, { kind: 'dial-failed', code, message });
  }

  /** A dial that a caller asked for has failed, which says nothing of how the server does by itself. */
  callFailed(publicKey: Uint8Array, { code, message }: PeerlaneError): void {
    this.#note(publicKey, { kind: 'dial-failed', code, message });
  }

  moved({ publicKey, host, tcpPort }: DialTarget): void {
    this.#note(publicKey, { kind: 'moved', message: `its newest record names ${host}, TCP port ${tcpPort}` });
  }

  /** Its newest record names no other place. */
  notMoved({ publicKey }: DialTarget, error: PeerlaneError | undefined): void {
    const message =
      error === undefined ? 'nobody knows of another place' : `the search for it failed: ${error.message}`;
    this.#note(publicKey, { kind: 'not-found', ...(error && { code: error.code }), message });
  }

  connected({ id, inbound, clientId, remoteAddress, remotePort }: PeerInfo): void {
    if (inbound) this.#reached(remoteAddress);
    const where = `${remoteAddress}, port ${remotePort}`;
    this.#note(id, {
      kind: 'connected',
      message: `${inbound ? 'came in from' : 'was reached at'} ${where}: ${clientId}`,
    });
  }

  disconnected({ id, inbound }: PeerInfo, error: PeerlaneError, stayedMs: number): void {
    const { code, message } = error;
    const outcome = outcomeOfStay(error, stayedMs);
    if (!inbound) this.#count(outcome, error);
    else if (outcome !== 'stayed') this.#inboundCodes.add(code, this.#env.now());
    if (outcome === 'stayed') this.#sinceLastPeer.clear();
    this.#note(id, {
      kind: 'disconnected',
      code,
      message: `after ${Math.round(stayedMs / 1000)} s: ${message}`,
    });
  }

  /** A connection has come in from an address that `netRestrict` or `netDeny` refuses. */
  turnedAway(): void {
    this.#turnedAway.add('turned-away', this.#env.now());
  }

  /** A connection that came in has led to no peer. */
  refused({ claimedId, remoteId, remoteAddress }: Refused, { code, message }: PeerlaneError): void {
    this.#reached(remoteAddress);
    this.#inboundCodes.add(code, this.#env.now());
    if (claimedId === undefined) return;
    const who = remoteId === undefined ? 'whoever gave its key, without proof: ' : '';
    this.#note(claimedId, { kind: 'refused', code, message: who + message });
  }

  /** What the parts of a server tell. */
  heard(event: ServerEvent): void {
    if (event.kind === 'mapped') this.#mappings[event.protocol].set(event.family, undefined);
    else if (event.kind === 'nat-failed') this.#mappings[event.protocol].set(event.family, event.error);
    else if (event.kind === 'reputation') this.#judged(event.node, event.decision);
  }

  /** @param node the key of a node, or an address, of which nothing is kept here */
  #judged(node: string, decision: ReputationDecision): void {
    if (decision.kind === 'keep' || node.length !== 2 * PUBLIC_KEY_LENGTH) return;
    const kind = JUDGEMENTS[decision.kind];
    const now = this.#env.unixTime();
    const what = kind === 'banned' ? 'banned' : 'not dialed';
    const until = 'forMs' in decision ? `${what} until ${endOfBan({ until: now + decision.forMs })}: ` : '';
    this.#logs.note(node, { kind, message: until + decision.reason }, now);
  }

  /** The user has banned a node, or its address. @param key the hex of its public key */
  banned(key: string, ban: Ban): void {
    const what = ban.kind === 'ip' ? 'its address is banned' : 'banned';
    const message = `${what} until ${endOfBan(ban)}: ${ban.reason}`;
    this.#logs.note(key, { kind: 'banned', message }, this.#env.unixTime());
  }

  /** The user has taken a node back, or its address. */
  unbanned(key: string): void {
    this.#logs.note(key, { kind: 'unbanned', message: 'taken back by the user' }, this.#env.unixTime());
  }

  log(publicKey: Uint8Array): readonly NodeLogEntry[] {
    return this.#logs.of(toBareHex(publicKey));
  }

  /** What is of interest of late, and since the start. */
  facts(): DialCounts & {
    readonly uptimeMs: number;
    readonly turnedAway: number;
    readonly inboundCodes: DiagnosisFacts['inboundCodes'];
    readonly sinceLastPeer: DialCounts;
    readonly sinceInboundMs: number | undefined;
    readonly natFailures: DiagnosisFacts['natFailures'];
  } {
    const now = this.#env.now();
    return {
      ...this.#recent.counts(now),
      uptimeMs: now - this.#startedAt,
      turnedAway: this.#turnedAway.counts(now).get('turned-away') ?? 0,
      inboundCodes: this.#inboundCodes.counts(now),
      sinceLastPeer: this.#sinceLastPeer.counts(now),
      sinceInboundMs: this.#reachedAt === undefined ? undefined : now - this.#reachedAt,
      natFailures: this.#natFailures(),
    };
  }

  /** A port that is reached by either family is no reason to have no peers. */
  #natFailures(): DiagnosisFacts['natFailures'] {
    const failures: Partial<Record<MappedProtocol, ErrorCode>> = {};
    for (const protocol of ['tcp', 'udp'] as const) {
      const reasons = [...this.#mappings[protocol].values()];
      const errors = reasons.filter((reason) => reason !== undefined);
      const error = errors.length === reasons.length ? mostTelling(errors) : undefined;
      if (error !== undefined) failures[protocol] = error.code;
    }
    return failures;
  }

  #count(outcome: DialOutcome, error: PeerlaneError): void {
    for (const tally of [this.#recent, this.#sinceLastPeer]) tally.dialed(outcome, error, this.#env.now());
  }

  /** Counted once in a while for a node: others name it again and again. */
  #leftOut(publicKey: Uint8Array, why: 'restricted' | 'crowded', note: NodeLogNote): void {
    const [key, now, told] = [toBareHex(publicKey), this.#env.now(), this.#toldOf[why]];
    if (told.has(key, now)) return;
    told.hold(key, now, RECENT_MS);
    this.#left(why);
    this.#note(publicKey, note);
  }

  #left(why: LeftOut): void {
    for (const tally of [this.#recent, this.#sinceLastPeer]) tally.left(why, this.#env.now());
  }

  #reached(remoteAddress: string): void {
    const address = addressOf(remoteAddress);
    if (address !== undefined && !isLocal(address)) this.#reachedAt = this.#env.now();
  }

  #note(publicKey: Uint8Array, note: NodeLogNote): void {
    this.#logs.note(toBareHex(publicKey), note, this.#env.unixTime());
  }
}
