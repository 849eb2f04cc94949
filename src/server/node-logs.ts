/** What has happened with each node, for whoever asks why it is no peer. */
import type { ErrorCode } from '../base/errors.ts';
import { setLatest } from '../base/recent.ts';

/** Nodes of which something is remembered, the latest; and how much of each. */
export const MAX_LOGGED_NODES = 4096;
export const MAX_LOG_LENGTH = 16;
/** Characters of a message, which may quote a peer. */
const MAX_MESSAGE_LENGTH = 200;

/**
 * `found`: by discovery. `passed-over`: its record says that it is of no use. `dial-failed`, `connected`, `disconnected`.
 * `refused`: it came in, and was not let in. `moved`: its record names another place. `not-found`: nobody knows of another.
 * `penalised`, `dropped`, `banned`: for how it behaves, or, the last, by the user, who may take it back: `unbanned`.
 */
export type NodeLogKind =
  | 'found'
  | 'passed-over'
  | 'dial-failed'
  | 'connected'
  | 'disconnected'
  | 'refused'
  | 'moved'
  | 'not-found'
  | 'penalised'
  | 'dropped'
  | 'banned'
  | 'unbanned';

export interface NodeLogNote {
  readonly kind: NodeLogKind;
  /** Of the error that it ended with, if any. */
  readonly code?: ErrorCode;
  /** What happened, in words. */
  readonly message: string;
}

export interface NodeLogEntry extends NodeLogNote {
  /** When it happened last, Unix ms. */
  readonly at: number;
  /** How often in a row, since `firstAt`. */
  readonly times: number;
  readonly firstAt: number;
}

export class NodeLogs {
  /** By the key of the node, the one that was heard of last at the end; of each its oldest entry first. */
  readonly #logs = new Map<string, NodeLogEntry[]>();

  get size(): number {
    return this.#logs.size;
  }

  /** @param at Unix ms */
  note(key: string, { kind, code, message }: NodeLogNote, at: number): void {
    const log = this.#logs.get(key) ?? [];
    const last = log.at(-1);
    const isSame = last !== undefined && last.kind === kind && last.code === code;
    if (isSame) log.pop();
    else if (log.length === MAX_LOG_LENGTH) log.shift();
    const [times, firstAt] = isSame ? [last.times + 1, last.firstAt] : [1, at];
    log.push({ kind, ...(code !== undefined && { code }), message: cut(message), at, times, firstAt });
    setLatest(this.#logs, key, log, MAX_LOGGED_NODES);
  }

  /** Oldest first; empty for a node of which nothing is remembered. */
  of(key: string): readonly NodeLogEntry[] {
    return [...(this.#logs.get(key) ?? [])];
  }
}

/** A part of a string would keep all of it in memory. */
function cut(message: string): string {
  if (message.length <= MAX_MESSAGE_LENGTH) return message;
  return Buffer.from(message.slice(0, MAX_MESSAGE_LENGTH), 'utf16le').toString('utf16le');
}
