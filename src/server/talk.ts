/** Protocols that others may speak with us in TalkReq (discv5-wire.md, "TALKREQ Request"). */
import { toBareHex } from '../base/bytes.ts';
import { checkFunction, invalidArgument } from '../base/checks.ts';
import { Counts } from '../base/counts.ts';
import type { Env, Timer } from '../base/env.ts';
import { PeerlaneError } from '../base/errors.ts';
import { FairPlaces } from '../base/fair-places.ts';
import { MAX_TALK_RESPONSE, type TalkCall } from '../discv5/index.ts';
import type { NodeRecord } from '../enr/index.ts';
import { originOf } from '../kad/index.ts';

/** Protocols of a node. */
const MAX_PROTOCOLS = 256;
/** Bytes of a protocol's name. */
const MAX_NAME_LENGTH = 256;
/**
 * Requests whose answers are not there yet: what comes while there are so many has no answer, and is counted. Networks (IPv4: /24,
 * IPv6: /32, and in that each /48; in a LAN addresses) share the places.
 */
export const MAX_TALKS = 64;
/** Those of one node among them. */
export const MAX_TALKS_OF_ONE = 16;
/** No other implementation waits longer for an answer: a handler that has none by then holds no place any more. */
export const TALK_TIMEOUT_MS = 1_000;

/** Who talks to us. */
export interface TalkSender {
  /** 32 bytes. */
  readonly id: Uint8Array;
  readonly ip: string;
  readonly port: number;
  /** The record that the node has shown. */
  readonly record: NodeRecord | undefined;
}

/** Answers a request, which is its own; nothing is an empty answer, which says that the protocol is not known. */
export type TalkHandler = (
  request: Uint8Array,
  from: TalkSender,
) => Uint8Array | undefined | Promise<Uint8Array | undefined>;

export type TalkFailed = (protocol: string, error: unknown) => void;

/** A name of a protocol, which is any bytes, as bytes. @throws PeerlaneError `invalid-argument` */
export function talkProtocol(name: string | Uint8Array): Uint8Array {
  const bytes = typeof name === 'string' ? new TextEncoder().encode(name) : name;
  if (!(bytes instanceof Uint8Array) || bytes.length > MAX_NAME_LENGTH) {
    throw invalidArgument(`a protocol is a text, or a Uint8Array, of at most ${MAX_NAME_LENGTH} bytes`);
  }
  return bytes.slice();
}

export class TalkHandlers {
  readonly #env: Pick<Env, 'setTimer'>;
  readonly #failed: TalkFailed;
  readonly #handlers = new Map<string, { readonly name: string; readonly handler: TalkHandler }>();
  readonly #places = new FairPlaces(MAX_TALKS);
  /** By node. */
  readonly #open = new Counts<string>();
  readonly #timers = new Set<Timer>();

  constructor(env: Pick<Env, 'setTimer'>, failed: TalkFailed) {
    this.#env = env;
    this.#failed = failed;
  }

  /** Requests that wait for the answers of handlers. */
  get open(): number {
    return this.#places.taken;
  }

  /** Takes requests of a protocol from now on; what it returns ends that. @throws PeerlaneError `invalid-argument` */
  serve(protocol: string | Uint8Array, handler: TalkHandler): () => void {
    const key = toBareHex(talkProtocol(protocol));
    checkFunction('the handler', handler);
    if (this.#handlers.has(key)) throw invalidArgument('the protocol has a handler already');
    if (this.#handlers.size >= MAX_PROTOCOLS) throw invalidArgument(`there are ${MAX_PROTOCOLS} protocols`);
    const entry = { name: typeof protocol === 'string' ? protocol : `0x${key}`, handler };
    this.#handlers.set(key, entry);
    return () => {
      if (this.#handlers.get(key) === entry) this.#handlers.delete(key);
    };
  }

  /** Whether the protocol is known. */
  take(call: TalkCall): boolean {
    const entry = this.#handlers.get(toBareHex(call.protocol));
    if (entry === undefined) return false;
    const node = toBareHex(call.id);
    const { sharer, part } = originOf(call.endpoint) ?? { sharer: call.endpoint.ip, part: undefined };
    if (this.#open.of(node) >= MAX_TALKS_OF_ONE || !this.#places.take(sharer, part)) {
      call.drop();
      return true;
    }
    this.#open.add(node);
    const isInTime = this.#placed(entry.name, () => {
      this.#places.give(sharer, part);
      this.#open.remove(node);
    });
    void this.#answer(entry.name, entry.handler, call, isInTime);
    return true;
  }

  /** Nobody is waited for any more. */
  close(): void {
    for (const timer of this.#timers) timer.cancel();
    this.#timers.clear();
  }

  /** Holds a place until the handler has an answer, or the time for one is over; what it returns says whether that is so, once. */
  #placed(name: string, free: () => void): () => boolean {
    const timer = this.#env.setTimer(TALK_TIMEOUT_MS, () => {
      if (!end()) return;
      const message = `the handler has not answered within ${TALK_TIMEOUT_MS} ms`;
      this.#failed(name, new PeerlaneError('request-timeout', message));
    });
    const end = (): boolean => {
      if (!this.#timers.delete(timer)) return false;
      timer.cancel();
      free();
      return true;
    };
    this.#timers.add(timer);
    return end;
  }

  /** What comes too late is dropped. */
  async #answer(
    name: string,
    handler: TalkHandler,
    { id, endpoint, record, request, respond }: TalkCall,
    isInTime: () => boolean,
  ): Promise<void> {
    try {
      const from = { id: id.slice(), ip: endpoint.ip, port: endpoint.port, record };
      const answer = checkedAnswer(await handler(request.slice(), from));
      if (isInTime()) respond(answer);
    } catch (error) {
      if (!isInTime()) return;
      respond(new Uint8Array());
      this.#failed(name, error);
    }
  }
}

function checkedAnswer(answer: Uint8Array | undefined): Uint8Array {
  if (answer === undefined) return new Uint8Array();
  if (!(answer instanceof Uint8Array)) throw invalidArgument('the answer of a handler is no Uint8Array');
  if (answer.length <= MAX_TALK_RESPONSE) return answer;
  throw invalidArgument(`the answer of a handler is longer than ${MAX_TALK_RESPONSE} bytes`);
}
