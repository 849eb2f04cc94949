/** HTTP with a host of the local network that may be anybody: one exchange, bounded, that goes nowhere else. */
import { request } from 'node:http';
import { abortedError, throwIfAborted } from '../base/abort.ts';
import { PeerlaneError } from '../base/errors.ts';

export interface SmallHttpRequest {
  /** Text of an IP address. */
  readonly host: string;
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
 * Follows no redirect and keeps no connection. Text is read as UTF-8.
 * @throws PeerlaneError `aborted`; `message-too-large`; `network-error`
 */
export async function smallHttp(options: SmallHttpRequest): Promise<SmallHttpAnswer> {
  const { host, port, path, method, headers, body = '', maxLength, signal } = options;
  throwIfAborted(signal);
  return new Promise((resolve, reject) => {
    const failed = (cause: Error): void => {
      if (cause instanceof PeerlaneError) reject(cause);
      else if (signal.aborted) reject(abortedError(signal));
      else
        reject(new PeerlaneError('network-error', `HTTP with ${host}:${port}: ${cause.message}`, { cause }));
    };
    const length = method === 'POST' ? { 'Content-Length': Buffer.byteLength(body) } : {};
    const sent = request({
      ...{ host, port, path, method, signal },
      headers: { ...headers, ...length, Connection: 'close' },
      agent: false,
      maxHeaderSize: maxLength,
    });
    sent.once('error', failed);
    sent.once('response', (answer) => {
      const chunks: Buffer[] = [];
      let total = 0;
      answer.on('error', failed);
      answer.on('data', (chunk: Buffer) => {
        total += chunk.length;
        if (total <= maxLength) {
          chunks.push(chunk);
          return;
        }
        failed(new PeerlaneError('message-too-large', `${host} answers with more than ${maxLength} bytes`));
        sent.destroy();
      });
      answer.once('close', () => {
        if (!answer.complete) failed(new Error('the connection was cut'));
        else resolve({ status: answer.statusCode ?? 0, body: Buffer.concat(chunks).toString('utf8') });
      });
    });
    sent.end(body);
  });
}
