import { orAborted, throwIfAborted } from '../../base/abort.ts';
import type { Env, Timer } from '../../base/env.ts';
import { bindUdp } from '../../io/udp.ts';
import type { GrantedMapping, NatMethodName, WantedMapping } from '../../nat/index.ts';

/** A way to come by an external endpoint. Calls may run side by side. */
export interface NatMethod {
  readonly name: NatMethodName;
  /**
   * Makes a mapping, or renews it.
   * @throws PeerlaneError `nat-no-router`, `nat-refused`, `nat-carrier-grade`, `nat-lie`, `aborted`
   */
  map(wanted: WantedMapping, signal: AbortSignal): Promise<GrantedMapping>;
  /** Takes back a mapping whose external port is that of `wanted`; as `map`. */
  unmap(wanted: WantedMapping, signal: AbortSignal): Promise<void>;
  /**
   * Takes back what `map` has asked for and heard nothing of, for the protocol of `wanted`: the router may have done it all the
   * same. The mapping of another host stays. As `map`.
   */
  withdraw(wanted: WantedMapping, signal: AbortSignal): Promise<void>;
}

/** Milliseconds after which a packet is sent again, as RFC 6886, section 3.1, has it; after the last nobody waits. */
export const RESEND_MS = [250, 500, 1_000, 2_000] as const;

export interface Question<T> {
  readonly env: Env;
  readonly signal: AbortSignal;
  /** Text of the own address. */
  readonly from: string;
  /** Text of addresses, of IPv6 with a zone where they have one. */
  readonly to: readonly { readonly host: string; readonly port: number }[];
  readonly request: Uint8Array;
  /** The host that may answer, without a zone, and from which port, if not from any: what comes from others is not looked at. */
  readonly answerer: { readonly host: string; readonly port?: number };
  /** What an answer says; `undefined` when it is none. */
  readonly read: (packet: Uint8Array) => T | undefined;
}

/**
 * Asks by UDP, several times.
 * @returns `undefined` when nobody answers
 * @throws PeerlaneError `aborted`; what `read` and `bindUdp` throw
 */
export async function askByUdp<T>(question: Question<T>): Promise<T | undefined> {
  const { env, signal, from, to, request, answerer, read } = question;
  throwIfAborted(signal);
  let resolve: (said: T | undefined) => void = () => undefined;
  let reject: (error: unknown) => void = () => undefined;
  const answer = new Promise<T | undefined>((done, failed) => {
    resolve = done;
    reject = failed;
  });
  // The socket may fail before anybody waits.
  answer.catch(() => undefined);
  await using socket = await bindUdp(
    { host: from, port: 0 },
    {
      message: (packet, ip, port) => {
        if (ip !== answerer.host || (answerer.port !== undefined && port !== answerer.port)) return;
        try {
          const said = read(packet);
          if (said !== undefined) resolve(said);
        } catch (error) {
          reject(error);
        }
      },
      failed: (error) => reject(error),
    },
  );
  let timer: Timer | undefined;
  const send = (round: number): void => {
    const wait = RESEND_MS[round];
    if (wait === undefined) {
      resolve(undefined);
      return;
    }
    for (const { host, port } of to) socket.send(request, host, port);
    timer = env.setTimer(wait, () => send(round + 1));
  };
  try {
    send(0);
    return await orAborted(answer, signal);
  } finally {
    timer?.cancel();
  }
}
