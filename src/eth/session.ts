import { onAbort } from '../base/abort.ts';
import { type Heard, setDeadline } from '../base/deadline.ts';
import type { Env } from '../base/env.ts';
import { CONSEQUENCES, type Consequence, PeerlaneError, toPeerlaneError } from '../base/errors.ts';
import type { Gate } from '../base/gate.ts';
import { SMALL_MESSAGE } from '../p2p/outbox.ts';
import { LENT_PAYLOAD, type Message, type ProtocolChannel } from '../p2p/protocol.ts';
import type { ChainReader } from './chain-reader.ts';
import {
  answerTo,
  decodeMessage,
  type EncodedMessage,
  type EthMessage,
  type EthVersion,
  encodeMessage,
  encodeResponse,
  type MessageValues,
  type NotificationName,
  type RequestName,
} from './messages.ts';
import { EthPeer } from './peer.ts';
import { Requester } from './requester.ts';
import { MAX_PENDING_REQUESTS } from './requests.ts';
import { answerRoom, type EthRequest, type LookUp, type PooledTransactions, prepareAnswer } from './serve.ts';
import { type BlockRange, type EthNetwork, localStatus, type Status, statusCheck } from './status.ts';
import { type SharedLength, WorkQueue } from './work-queue.ts';

/** Requests of a peer that wait for their answer: as many as we would send it. More stop the reading. */
const MAX_WAITING_REQUESTS = MAX_PENDING_REQUESTS;
/** What is kept of them, in bytes; 1,024 hashes are 32 KiB. */
const MAX_WAITING_REQUEST_BYTES = 256 * 1024;
/** What is kept of one at most: 1,024 hashes. */
const MAX_REQUEST_BYTES = 33 * 1024;

/** Notifications of a peer that wait for the handlers. */
const MAX_WAITING_NOTIFICATIONS = 256;
/** Their payloads, in bytes: a few of the largest packs of transactions that clients send. */
const MAX_WAITING_NOTIFICATION_BYTES = 1024 * 1024;

/** Answers up to this size, in bytes, are made for everybody at once. */
const SMALL_ANSWER = 96 * 1024;
const EMPTY_ANSWER: EncodedMessage = { code: 0, payload: new Uint8Array(0) };

type EthNotification = Extract<EthMessage, { readonly kind: 'notification' }>;

/** A thing that a handler may do at once or in time. */
export type Awaitable = void | Promise<void>;

/**
 * What is done with what peers tell. Handlers of one peer are called one after another, in the order of its
 * messages; but for `onPeer`, which all others come after, and which may go on as long as it likes. A handler may
 * await answers of its own peer. One that lags behind stops the reading from its peer; while requests to
 * that peer are pending, what comes too fast is dropped instead, as their answers stand behind it.
 */
export interface EthHandlers {
  /** A peer's Status has arrived and fits. */
  readonly onPeer?: (peer: EthPeer) => Awaitable;
  readonly onTransactions?: (peer: EthPeer, transactions: MessageValues['Transactions']) => Awaitable;
  readonly onTransactionHashes?: (
    peer: EthPeer,
    announced: MessageValues['NewPooledTransactionHashes'],
  ) => Awaitable;
  /** eth/68 only. */
  readonly onNewBlock?: (peer: EthPeer, newBlock: MessageValues['NewBlock']) => Awaitable;
  /** eth/68 only. */
  readonly onNewBlockHashes?: (peer: EthPeer, blocks: MessageValues['NewBlockHashes']) => Awaitable;
  /** The peer's blocks have changed; `peer.head` and `peer.earliest` say so already. */
  readonly onBlockRange?: (peer: EthPeer, range: BlockRange) => Awaitable;
  /**
   * A handler, the chain or the pool threw `error`; the peer stays. But a PeerlaneError of a handler whose code
   * has a Disconnect reason ends the connection with that reason, and is not reported here.
   */
  readonly onError?: (error: unknown, peer: EthPeer) => void;
}

export interface SessionOptions extends EthHandlers {
  readonly network: EthNetwork;
  readonly chain: ChainReader;
  readonly env: Env;
  readonly statusTimeoutMs: number;
  readonly pooledTransactions?: PooledTransactions | undefined;
  /** Bounds the answers that are being made, in bytes, over all peers. */
  readonly answers: Gate;
  /** Bounds the notifications that wait for handlers, over all peers. */
  readonly notifications: SharedLength;
}

/** The handler of each notification. */
const NOTIFY: {
  readonly [N in NotificationName]: (
    handlers: EthHandlers,
    peer: EthPeer,
    value: MessageValues[N],
  ) => Awaitable;
} = {
  NewBlockHashes: (handlers, peer, value) => handlers.onNewBlockHashes?.(peer, value),
  Transactions: (handlers, peer, value) => handlers.onTransactions?.(peer, value),
  NewBlock: (handlers, peer, value) => handlers.onNewBlock?.(peer, value),
  NewPooledTransactionHashes: (handlers, peer, value) => handlers.onTransactionHashes?.(peer, value),
  BlockRangeUpdate: (handlers, peer, value) => handlers.onBlockRange?.(peer, value),
};

/**
 * Speaks eth on one connection, from the Status to the end: resolves when the connection is over.
 * @throws PeerlaneError for whatever the peer did to have it ended
 */
export async function runSession(
  channel: ProtocolChannel,
  version: EthVersion,
  options: SessionOptions,
): Promise<void> {
  const messages = channel[Symbol.asyncIterator]();
  const status = await exchangeStatus(channel, messages, version, options);
  if (status === undefined) return;
  channel.confirm();
  const session = new Session(channel, version, status, options);
  try {
    session.begin();
    for (;;) {
      const next = await messages.next();
      if (next.done === true) return;
      await session.receive(next.value);
    }
  } finally {
    session.end();
  }
}

/** Sends the Status and waits for that of the peer; `undefined` when the connection ended meanwhile. */
async function exchangeStatus(
  channel: ProtocolChannel,
  messages: AsyncIterator<Message>,
  version: EthVersion,
  { network, chain, env, statusTimeoutMs }: SessionOptions,
): Promise<Status | undefined> {
  const { code, payload } = encodeMessage(version, 'Status', localStatus(version, network, chain));
  const check = statusCheck(version, network, chain);
  const receive = async (): Promise<Status | undefined> => {
    const next = await messages.next();
    if (next.done === true) return undefined;
    if (next.value.code !== code) {
      throw new PeerlaneError('status-expected', `the first message has the code ${next.value.code}`, {
        details: { code: next.value.code },
      });
    }
    // A copy: the status lives as long as the peer, and a view would keep the bytes around it.
    const message = decodeMessage(version, code, next.value.payload.slice());
    if (message.kind !== 'status') return undefined;
    check(message.value);
    return message.value;
  };
  const exchange = Promise.all([receive(), channel.send(code, payload, 'request')]);
  const [status] = await within(env, statusTimeoutMs, channel, exchange);
  return status;
}

/** @throws PeerlaneError `status-timeout`, and what `exchange` does */
function within<T>(env: Env, ms: number, heard: Heard, exchange: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setDeadline(env, heard, ms, () => {
      reject(new PeerlaneError('status-timeout', `no Status within ${ms} ms`));
    });
    exchange.then(resolve, reject).finally(() => timer.cancel());
  });
}

/** A connection whose peer has sent a fitting Status. */
class Session {
  readonly #channel: ProtocolChannel;
  readonly #version: EthVersion;
  readonly #options: SessionOptions;
  readonly #peer: EthPeer;
  readonly #requester: Requester;
  readonly #answers: WorkQueue;
  readonly #notifications: WorkQueue;
  #removeListener: () => void = () => undefined;

  constructor(channel: ProtocolChannel, version: EthVersion, status: Status, options: SessionOptions) {
    this.#channel = channel;
    this.#version = version;
    this.#options = options;
    this.#requester = new Requester(channel, version, options.env, () => this.#notifications.recheck());
    this.#peer = new EthPeer(channel, version, status, this.#requester);
    const onFailure = (error: unknown): void => channel.disconnect(toPeerlaneError(error));
    const { env } = options;
    this.#answers = new WorkQueue({
      env,
      maxItems: MAX_WAITING_REQUESTS,
      maxBytes: MAX_WAITING_REQUEST_BYTES,
      onFailure,
    });
    this.#notifications = new WorkQueue({
      env,
      maxItems: MAX_WAITING_NOTIFICATIONS,
      maxBytes: MAX_WAITING_NOTIFICATION_BYTES,
      mayDrop: () => this.#requester.pending > 0,
      shared: options.notifications,
      onFailure,
    });
    // Not at the end of the loop only, which may itself wait for a handler that waits for an answer.
    this.#removeListener = onAbort(channel.signal, () => this.end());
  }

  begin(): void {
    this.#handle(() => this.#options.onPeer?.(this.#peer)).catch((error: unknown) => {
      this.#channel.disconnect(toPeerlaneError(error));
    });
  }

  /** Takes a message in; resolves when the next one may be read. */
  async receive({ code, payload }: Message): Promise<void> {
    const message = decodeMessage(this.#version, code, payload);
    switch (message.kind) {
      case 'status':
        throw new PeerlaneError('status-repeated', 'a second Status');
      case 'response': {
        const own = this.#own(code, payload);
        const { name, value } = own?.kind === 'response' ? own : message;
        this.#requester.settle(name, value.id, value.items);
        break;
      }
      case 'request':
        await this.#answer(message, Math.min(payload.length, MAX_REQUEST_BYTES));
        break;
      case 'notification':
        await this.#notified(code, payload, message);
    }
  }

  /** Of a lent payload, which is gone when the next message is asked for, a message of its own. */
  #own(code: number, payload: Uint8Array): EthMessage | undefined {
    return payload.length < LENT_PAYLOAD ? undefined : decodeMessage(this.#version, code, payload.slice());
  }

  async #notified(code: number, payload: Uint8Array, message: EthNotification): Promise<void> {
    if (message.name === 'BlockRangeUpdate') this.#peer.updateRange(message.value);
    if (!(await this.#notifications.admit(payload.length))) return;
    const own = this.#own(code, payload);
    const { name, value } = own?.kind === 'notification' ? own : message;
    this.#notifications.push(payload.length, () =>
      this.#handle(() => notify(this.#options, this.#peer, name, value)),
    );
  }

  end(): void {
    this.#removeListener();
    this.#answers.close();
    this.#notifications.close();
    const cause: unknown = this.#channel.signal.reason;
    this.#requester.close(new PeerlaneError('closed', 'the connection is over', { cause }));
  }

  async #answer(request: EthRequest, size: number): Promise<void> {
    const { chain, pooledTransactions } = this.#options;
    const { signal } = this.#channel;
    const lookUp = prepareAnswer(request, { version: this.#version, chain, pooledTransactions, signal });
    // Only these two of the request, so that its message is not kept.
    const { name, value } = request;
    const { id } = value;
    const room = answerRoom(request);
    if (!(await this.#answers.admit(size))) return;
    this.#answers.push(size, async () => {
      // What the peer does not take yet is not looked up either. What is small need not wait for what is large.
      await this.#channel.writable(room <= SMALL_MESSAGE ? room : 0);
      let answer = await this.#inRoom(room, (maxLength) => this.#response(name, id, lookUp, maxLength));
      const { length } = answer.payload;
      if (length > this.#channel.room) {
        // A single large item. It is looked up again when there is memory for it, rather than kept until then.
        answer = EMPTY_ANSWER;
        await this.#channel.writable(length);
        answer = await this.#response(name, id, lookUp, length);
      }
      await this.#channel.send(answer.code, answer.payload);
    });
  }

  /** Large answers are made a few at a time; while memory is short, all are small. */
  async #inRoom<T>(wanted: number, make: (maxLength: number) => Promise<T>): Promise<T> {
    const { room } = this.#channel;
    if (Math.min(wanted, room) <= SMALL_ANSWER) return await make(Math.min(SMALL_ANSWER, room));
    const leave = await this.#options.answers.enter(wanted, this.#channel.signal);
    try {
      return await make(this.#channel.room);
    } finally {
      leave();
    }
  }

  async #response(
    request: RequestName,
    id: bigint,
    lookUp: LookUp,
    maxLength: number,
  ): Promise<EncodedMessage> {
    const name = answerTo(request);
    try {
      return encodeResponse(this.#version, name, id, await lookUp(maxLength));
    } catch (error) {
      // What fails here is ours, and no reason to let the peer wait.
      this.#options.onError?.(error, this.#peer);
      return encodeResponse(this.#version, name, id, []);
    }
  }

  async #handle(run: () => Awaitable): Promise<void> {
    try {
      await run();
    } catch (error) {
      if (disconnects(error)) this.#channel.disconnect(error);
      else if (!this.#channel.signal.aborted) this.#options.onError?.(error, this.#peer);
    }
  }
}

function notify<N extends NotificationName>(
  handlers: EthHandlers,
  peer: EthPeer,
  name: N,
  value: MessageValues[N],
): Awaitable {
  return NOTIFY[name](handlers, peer, value);
}

function disconnects(error: unknown): error is PeerlaneError {
  if (!(error instanceof PeerlaneError)) return false;
  const consequence: Consequence = CONSEQUENCES[error.code];
  return consequence.disconnect !== undefined;
}
