/** Requests of one node over the simulated links, with the sessions and timeouts of discovery v5. */
import type { Timer } from '../../../src/base/env.ts';
import { setLatest } from '../../../src/base/recent.ts';
import { HANDSHAKE_TIMEOUT_MS } from '../../../src/discv5/challenges.ts';
import type { Message, RegTopic, TopicQuery } from '../../../src/discv5/messages.ts';
import { REQUEST_TIMEOUT_MS } from '../../../src/discv5/requests.ts';
import { MAX_SESSIONS } from '../../../src/discv5/sessions.ts';
import type { TopicNode } from '../../../src/discv5/topics/index.ts';
import type { UdpEndpoint } from '../../../src/kad/index.ts';
import { knock, messagePacket, type TopicPacket } from './packets.ts';

export type Request = RegTopic | TopicQuery;

/** What was sent and received for somebody's requests. */
export interface Tally {
  requests: number;
  packets: number;
  bytes: number;
}

export const noTally = (): Tally => ({ requests: 0, packets: 0, bytes: 0 });

/** The messages of an answer, some of which may have been lost; `undefined`: none came in time. */
export type Answered = (messages: readonly Message[] | undefined) => void;

interface Call {
  readonly to: UdpEndpoint;
  readonly request: Request;
  readonly tally: Tally;
  readonly done: Answered;
  readonly messages: Message[];
  hasShaken: boolean;
  timeout: Timer | undefined;
}

export interface CallsContext {
  readonly node: TopicNode;
  setTimer(ms: number, run: () => void): Timer;
  send(packet: TopicPacket, to: UdpEndpoint): void;
}

export class Calls {
  readonly #context: CallsContext;
  readonly #calls = new Map<number, Call>();
  /** By endpoint: with whom there are keys. */
  readonly #sessions = new Map<string, true>();
  #next = 1;

  constructor(context: CallsContext) {
    this.#context = context;
  }

  hasSession(with_: UdpEndpoint): boolean {
    return this.#sessions.has(keyOf(with_));
  }

  establish(with_: UdpEndpoint): void {
    setLatest(this.#sessions, keyOf(with_), true, MAX_SESSIONS);
  }

  ask({ ip, udpPort }: TopicNode, request: Request, tally: Tally, done: Answered): void {
    const to = { ip, port: udpPort };
    const id = this.#next++;
    const call: Call = { to, request, tally, done, messages: [], hasShaken: false, timeout: undefined };
    this.#calls.set(id, call);
    tally.requests++;
    const isKnown = this.hasSession(to);
    this.#send(call, isKnown ? messagePacket(id, request, this.#context.node) : knock(id));
    this.#await(id, call, REQUEST_TIMEOUT_MS);
  }

  challenged(packet: TopicPacket): void {
    const call = this.#calls.get(packet.call);
    if (call === undefined || call.hasShaken) return;
    this.#count(call, packet);
    call.hasShaken = true;
    this.establish(call.to);
    this.#send(call, messagePacket(packet.call, call.request, this.#context.node, true));
    this.#await(packet.call, call, HANDSHAKE_TIMEOUT_MS);
  }

  answered(packet: TopicPacket & { readonly kind: 'message' }): void {
    const call = this.#calls.get(packet.call);
    if (call === undefined) return;
    this.#count(call, packet);
    call.messages.push(packet.message);
    const total = 'total' in packet.message ? packet.message.total : 1;
    if (call.messages.length >= total) this.#end(packet.call, call);
    else this.#await(packet.call, call, REQUEST_TIMEOUT_MS);
  }

  /** Nobody waits for anything any more. */
  stop(): void {
    for (const { timeout } of this.#calls.values()) timeout?.cancel();
    this.#calls.clear();
  }

  #await(id: number, call: Call, ms: number): void {
    call.timeout?.cancel();
    call.timeout = this.#context.setTimer(ms, () => {
      // The other side may not have taken up the handshake.
      if (call.hasShaken && call.messages.length === 0) this.#sessions.delete(keyOf(call.to));
      this.#end(id, call);
    });
  }

  #end(id: number, { timeout, messages, done }: Call): void {
    timeout?.cancel();
    this.#calls.delete(id);
    done(messages.length === 0 ? undefined : messages);
  }

  #send(call: Call, packet: TopicPacket): void {
    this.#count(call, packet);
    this.#context.send(packet, call.to);
  }

  #count({ tally }: Call, { length }: TopicPacket): void {
    tally.packets++;
    tally.bytes += length;
  }
}

function keyOf({ ip, port }: UdpEndpoint): string {
  return `${ip} ${port}`;
}
