/** Nodes that register with one registrar, and come back in time for ever. */
import { EMPTY } from '../../../src/base/bytes.ts';
import { VirtualEnv } from '../../../src/base/virtual-env.ts';
import { Registrar } from '../../../src/discv5/topics/index.ts';
import type { RecordedNode } from './nodes.ts';

/** What everybody comes too late by. */
const LATE_MS = 100;

export class Registering {
  readonly env: VirtualEnv;
  readonly registrar: Registrar;
  /** Requests so far. */
  asked = 0;

  constructor(seed: number) {
    this.env = new VirtualEnv({ seed });
    this.registrar = new Registrar({
      localId: this.env.randomBytes(32),
      randomBytes: (length) => this.env.randomBytes(length),
    });
  }

  /** @param admitted told each time that the advertisement is let in, or lives on */
  keep(node: RecordedNode, topic: Uint8Array, admitted: () => void = () => undefined): void {
    this.#ask(node, topic, EMPTY, admitted);
  }

  #ask(node: RecordedNode, topic: Uint8Array, ticket: Uint8Array, admitted: () => void): void {
    const { id, ip, record } = node;
    this.asked++;
    const now = this.env.now();
    const told = this.registrar.register({ topic, record, ticket, sender: { id, ip }, now });
    if (told.kind === 'refused') throw new Error('refused');
    if (told.kind === 'admitted') admitted();
    const [ms, next] = told.kind === 'admitted' ? [told.lifetimeMs, EMPTY] : [told.waitMs, told.ticket];
    this.env.setTimer(ms + LATE_MS, () => this.#ask(node, topic, next, admitted));
  }
}
