import type { Agenda } from '../../base/agenda.ts';
import type { Env } from '../../base/env.ts';
import type { NodeRecord } from '../../enr/index.ts';
import type { KadNode, LookupRun, LookupRunEvents, RequestRoom, Table } from '../../kad/index.ts';
import type { Discv5Event } from '../events.ts';
import type { Asked } from '../questions.ts';
import type { Question } from '../requests.ts';
import type { Exclusions } from './exclusions.ts';
import type { KnownRegistrars } from './known-registrars.ts';
import type { TopicParameters } from './parameters.ts';

/** The part of an engine that advertisements and searches are made with. */
export interface TopicEngine {
  readonly agenda: Agenda;
  /** The ordinary table. */
  readonly table: Table;
  /** 32 bytes. */
  readonly localId: Uint8Array;
  readonly randomBytes: Env['randomBytes'];
  readonly room: Pick<RequestRoom, 'isFull'>;
  ask(node: KadNode, question: Question): void;
  /** For the answer of a node. */
  asked(node: KadNode): Asked;
  /** Whether there is a way to the address. */
  reaches(ip: string): boolean;
  localRecord(): NodeRecord;
  /** An ordinary lookup of an id, which goes on until it is done. */
  lookUp(target: Uint8Array, events: LookupRunEvents): LookupRun;
  event(event: Discv5Event): void;
}

/** What a run asks others for. */
export type TopicAim = 'register' | 'search';

/** The same as the advertisements and searches of one node have it: their requests count together. */
export interface TopicContext extends Omit<TopicEngine, 'room'> {
  readonly parameters: Partial<TopicParameters>;
  /** Of registrations and of searches: who says nothing to the ones may be of use for the others. */
  readonly exclusions: Readonly<Record<TopicAim, Exclusions>>;
  /** Whether no more requests may be begun for now. */
  readonly isFull: boolean;
  /** Whether one more lookup may be begun that can wait. */
  readonly mayLookUp: boolean;
  /** Registrars that have answered any of them. */
  readonly known: KnownRegistrars;
  /** Advertisers of a topic whose advertisements this node keeps itself. */
  kept(topic: Uint8Array): readonly KadNode[];
  /** How many of our topics a registrar has, or is asked to keep. */
  burden(id: Uint8Array): number;
  /** Whether one more lookup of no topic may be begun, which is then counted. */
  mayLookFurther(): boolean;
  /** The run goes on by itself until `ended`. */
  begun(run: TopicRun): void;
  ended(run: TopicRun): void;
}

/** An advertisement, or a search, that goes on by itself. */
export interface TopicRun {
  /** When `advance` may have something to do, unless no requests may be begun. */
  readonly deadline: number;
  advance(): void;
  /** Nodes that take part, which an answer to a lookup named. */
  met(nodes: readonly KadNode[]): void;
  /** A node has gone from the ordinary table. */
  removed(id: Uint8Array): void;
}
