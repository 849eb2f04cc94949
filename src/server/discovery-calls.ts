import { abortedError, onAbort, throwIfAborted } from '../base/abort.ts';
import { checkBoolean, checkObject, reading, signalOf } from '../base/checks.ts';
import type { Closing } from '../base/closing.ts';
import type { Env } from '../base/env.ts';
import { isPeerlaneError, PeerlaneError, remoteError } from '../base/errors.ts';
import { Gate } from '../base/gate.ts';
import { sleep } from '../base/sleep.ts';

/** Lookups, and requests of callers, that run at a time; others wait their turn. */
const MAX_LOOKUPS = 32;
export const MAX_CALLS = 64;
/**
 * Requests whose callers have left, beside those: they go on until they are answered, or it is too late. Both together leave a quarter
 * of the 256 requests of an engine to lookups and checks, and nobody gets `request-overload` because others come and leave.
 */
export const MAX_LEFT_CALLS = 128;

/**
 * Why there is no result, unless it is that no answer came in time: the question was not even put, since the Ping that has to come
 * before it had no answer, or was not sent, or it had no turn behind others; or the error says what is wrong with the answer.
 */
export type CallFailure =
  | 'unanswered-ping'
  | 'withheld-ping'
  | 'withheld-request'
  | 'withheld-address'
  | 'no-turn'
  | PeerlaneError;

/** The name of a Ping as a request. */
export const PING = 'Ping';

const PING_NAMES = { signal: true, named: true } as const;

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
}

export interface PingOptions extends CallOptions {
  /**
   * Whether others have named the node, who may want us to ping somebody: where nobody has answered the last Pings to its
   * address, none is sent for a while. Default: false.
   */
  readonly named?: boolean;
}

/** Whether these are those of a Ping to a node that others have named. @throws PeerlaneError `invalid-argument` */
export function isNamedOf(options: PingOptions): boolean {
  return reading('the options of the call', () => {
    checkObject('the options of the call', options);
    const { named = false } = options;
    checkBoolean('named', named);
    return named;
  });
}

export interface DiscoveryCallsOptions {
  readonly env: Env;
  readonly closing: Closing;
  /** Whether there is a socket: without one nothing is begun. */
  readonly isRunning: () => boolean;
  /** Something has been begun that may be due at once. */
  readonly begun: () => void;
}

/** What callers wait for in a service of discovery: their turn, and answers. All of it ends with the service. */
export class DiscoveryCalls {
  readonly #options: DiscoveryCallsOptions;
  readonly #lookups = new Gate(MAX_LOOKUPS);
  readonly #requests = new Gate(MAX_CALLS);
  readonly #left = new Gate(MAX_LEFT_CALLS);

  constructor(options: DiscoveryCallsOptions) {
    this.#options = options;
  }

  /** Resolves, when it is a lookup's turn, with what ends it. @throws PeerlaneError `closed`, `aborted` */
  async enterLookup(signal: AbortSignal | undefined): Promise<() => void> {
    return await this.#enter(this.#lookups, signal);
  }

  /**
   * The result of a request of the engine.
   * @param name what is asked, for the error
   * @throws PeerlaneError `request-timeout`, `request-withheld`, `request-overload`, or the error of `done`, for a result that is undefined;
   * `closed`, `aborted`, `invalid-argument`, and what `begin` throws
   */
  async request<T>(
    name: string,
    options: CallOptions,
    begin: (done: (result: T | undefined, failure?: CallFailure) => void) => void,
  ): Promise<T> {
    const { closing, begun } = this.#options;
    const signal = signalOf(options, name === PING ? PING_NAMES : undefined);
    const leave = await this.#enter(this.#requests, signal);
    return await new Promise<T>((resolve, reject) => {
      const offs: (() => void)[] = [];
      let giveBack = leave;
      const end = (): void => {
        for (const off of offs) off();
        giveBack();
      };
      // A request goes on when its caller has left, but not in the place of one that somebody waits for.
      const abandon = (): void => {
        reject(abortedError(signal));
        const forgo = this.#left.await(1, (leaveLeft) => {
          giveBack = leaveLeft;
          leave();
        });
        offs.push(forgo);
      };
      const close = (): void => {
        end();
        reject(closedError());
      };
      offs.push(onAbort(signal, abandon), closing.onClose(close));
      try {
        // Either may have come since it was told that it has its turn.
        this.#check(signal);
        begin((result, failure) => {
          end();
          if (result !== undefined) resolve(result);
          else reject(failureError(name, failure));
        });
      } catch (error) {
        end();
        reject(error);
      }
      begun();
    });
  }

  /** @throws PeerlaneError `aborted`, `closed` */
  async sleep(ms: number, signal: AbortSignal | undefined): Promise<void> {
    const { env, closing } = this.#options;
    const ended = new AbortController();
    const end = (): void => ended.abort(signal?.reason);
    const offs = [onAbort(signal, end), closing.onClose(end)];
    try {
      await sleep(env, Math.max(0, ms), ended.signal);
    } catch (error) {
      throw closing.isClosed && !signal?.aborted ? closedError() : error;
    } finally {
      for (const off of offs) off();
    }
  }

  /** @throws PeerlaneError `aborted`, `closed` */
  #check(signal: AbortSignal | undefined): void {
    const { closing, isRunning } = this.#options;
    throwIfAborted(signal);
    if (!isRunning() || closing.isClosed) throw closedError();
  }

  /** @throws PeerlaneError `closed`, `aborted` */
  async #enter(gate: Gate, signal: AbortSignal | undefined): Promise<() => void> {
    const { closing } = this.#options;
    this.#check(signal);
    return await new Promise((resolve, reject) => {
      let offs: (() => void)[] | undefined;
      const off = (): void => {
        for (const run of offs ?? []) run();
        offs = [];
      };
      const forgo = gate.await(1, (leave) => {
        off();
        resolve(leave);
      });
      // There was room at once.
      if (offs !== undefined) return;
      const end = (error: PeerlaneError): void => {
        off();
        forgo();
        reject(error);
      };
      offs = [onAbort(signal, () => end(abortedError(signal))), closing.onClose(() => end(closedError()))];
    });
  }
}

/** @param failure `undefined`: no answer in time */
function failureError(name: string, failure: CallFailure | undefined): PeerlaneError {
  if (isPeerlaneError(failure)) return failure;
  if (failure === 'withheld-address') {
    return new PeerlaneError(
      'request-withheld',
      `the ${name} is not sent, since nobody has answered the last ones to other ports of that address`,
    );
  }
  const isFirst = name === PING || failure === 'withheld-request';
  const ping = isFirst ? `the ${name}` : `the Ping that comes before ${name}`;
  if (failure === 'withheld-ping' || failure === 'withheld-request') {
    return new PeerlaneError(
      'request-withheld',
      `${ping} is not sent, since nobody has answered the last ones to that address`,
    );
  }
  if (failure === 'no-turn') {
    return new PeerlaneError('request-overload', `${name} has had no turn behind others to the same node`);
  }
  return remoteError('request-timeout', `no answer to ${failure === undefined ? name : ping}`);
}

const FAULTS_OF_NODES = ['request-timeout', 'request-withheld', 'invalid-record'] as const;

/** Whether it says no more than that a node does not answer, or has not, or that its answer is none. */
export function isFaultOfNode(error: unknown): error is PeerlaneError {
  return FAULTS_OF_NODES.some((code) => isPeerlaneError(error, code));
}

/** The answer of a node that was given as a KadNode; `undefined` for `isFaultOfNode`. @throws PeerlaneError any other */
export async function orNone<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (isFaultOfNode(error)) return undefined;
    throw error;
  }
}

export function closedError(): PeerlaneError {
  return new PeerlaneError('closed', 'discovery is not running');
}
