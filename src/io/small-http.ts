/** HTTP with a host of the local network that may be anybody: one exchange, bounded, that goes nowhere else. */
import { type IncomingMessage, request } from 'node:http';
import { abortedError, onAbort, throwIfAborted } from '../base/abort.ts';
import { PeerlaneError } from '../base/errors.ts';
import { hostBeforePort, withoutZone } from '../base/ip.ts';

/** Interim answers (status 1xx) before the one that counts; honest ones send none, or one. */
export const MAX_INTERIM_ANSWERS = 8;

export interface SmallHttpRequest {
  /** Text of an IP address, of IPv6 with its zone, if it has one. */
  readonly host: string;
  /** Text of the own address that it is asked from; default: the system chooses. */
  readonly from?: string;
  readonly port: number;
  readonly path: string;
  readonly method: 'GET' | 'POST';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Bytes of the answer; more is an error. */
  readonly maxLength: number;
  readonly signal: AbortSignal;
}

export interface SmallHttpAnswer {
  readonly status: number;
  readonly body: string;
}

/**
 * Follows no redirect, keeps no connection and changes to no other protocol. Text is read as UTF-8. Whatever is answered,
 * it ends when the signal aborts.
 * @throws PeerlaneError `aborted`; `message-too-large`; `network-error`
 */
export async function smallHttp(options: SmallHttpRequest): Promise<SmallHttpAnswer> {
  const { host, from, port, path, method, headers, body = '', maxLength, signal } = options;
  throwIfAborted(signal);
  const length = method === 'POST' ? { 'Content-Length': Buffer.byteLength(body) } : {};
  // The zone is of this machine, and no part of the name of another (RFC 6874, section 4).
  const named = host.includes('%') ? { Host: `${hostBeforePort(withoutZone(host))}:${port}` } : {};
  const sent = request({
    ...{ host, port, path, method, ...(from !== undefined && { localAddress: from }) },
    headers: { ...named, ...headers, ...length, Connection: 'close' },
    agent: false,
    maxHeaderSize: maxLength,
  });
  let removeAbort: () => void = () => undefined;
  try {
    return await new Promise((resolve, reject) => {
      const failed = (cause: Error): void => {
        if (cause instanceof PeerlaneError) reject(cause);
        else
          reject(
            new PeerlaneError('network-error', `HTTP with ${host}:${port}: ${cause.message}`, { cause }),
          );
      };
      removeAbort = onAbort(signal, () => reject(abortedError(signal)));
      let interim = 0;
      let answer: IncomingMessage | undefined;
      sent.on('error', failed);
      sent.on('information', () => {
        if (++interim > MAX_INTERIM_ANSWERS) failed(new Error('one interim answer comes after the other'));
      });
      // Node closes the connection for these by itself only when nobody listens, and then it says nothing else.
      sent.on('upgrade', (_, socket) => {
        socket.destroy();
        failed(new Error('the answer would change the protocol'));
      });
      sent.on('close', () => {
        if (answer === undefined) failed(new Error('the connection was closed without an answer'));
      });
      sent.on('response', (response) => {
        answer = response;
        const chunks: Buffer[] = [];
        let total = 0;
        response.on('error', failed);
        response.on('data', (chunk: Buffer) => {
          total += chunk.length;
          if (total <= maxLength) chunks.push(chunk);
          else
            failed(
              new PeerlaneError('message-too-large', `${host} answers with more than ${maxLength} bytes`),
            );
        });
        response.on('close', () => {
          if (!response.complete) failed(new Error('the connection was cut'));
          else resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString('utf8') });
        });
      });
      sent.end(body);
    });
  } finally {
    removeAbort();
    sent.destroy();
  }
}
