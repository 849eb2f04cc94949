/**
 * One family of errors. Each has a literal `code`; `CONSEQUENCES` says what follows for the peer that caused it.
 */

/** Names of the Disconnect reasons of the devp2p base protocol (rlpx.md, "Disconnect (0x01)"). */
export type DisconnectReasonName =
  | 'requested'
  | 'network-error'
  | 'breach-of-protocol'
  | 'useless-peer'
  | 'too-many-peers'
  | 'already-connected'
  | 'incompatible-version'
  | 'null-identity'
  | 'client-quitting'
  | 'unexpected-identity'
  | 'connected-to-self'
  | 'ping-timeout'
  | 'subprotocol-error';

/** How much an error counts against the peer that caused it. */
export type Penalty = 'none' | 'minor' | 'major';

export interface Consequence {
  /** The reason sent to the peer before the connection is closed; absent: the connection stays. */
  readonly disconnect?: DisconnectReasonName;
  /** Close without a Disconnect message: before the handshake is over, or when the stream cannot be trusted. */
  readonly silent?: true;
  readonly penalty: Penalty;
  /** The node is not dialed for a while. */
  readonly backOff?: true;
  /** The node is refused until the ban expires. */
  readonly ban?: true;
}

const local = { penalty: 'none' } as const;
const silent = { silent: true, disconnect: 'breach-of-protocol', penalty: 'major', backOff: true } as const;
const breach = { disconnect: 'breach-of-protocol', penalty: 'major', backOff: true } as const;
const subprotocol = { disconnect: 'subprotocol-error', penalty: 'major', backOff: true } as const;
const useless = { disconnect: 'useless-peer', penalty: 'none', backOff: true } as const;
const network = { disconnect: 'network-error', penalty: 'minor', backOff: true } as const;

export const CONSEQUENCES = {
  // The caller's own mistakes and wishes.
  'invalid-argument': local,
  aborted: local,
  closed: local,
  internal: { disconnect: 'requested', penalty: 'none' },

  // crypto
  'backend-unavailable': local,
  'invalid-secret-key': local,
  'invalid-public-key': silent,
  'invalid-signature': silent,
  'ecies-invalid': silent,

  // rlp
  'rlp-truncated': breach,
  'rlp-trailing-bytes': breach,
  'rlp-non-canonical': breach,
  'rlp-too-deep': breach,
  'rlp-too-large': breach,
  'rlp-unexpected': breach,

  // enr and enode URLs
  'invalid-enode': local,
  'invalid-record': { penalty: 'minor' },

  // DNS discovery
  'invalid-tree-url': local,
  'invalid-tree': local,
  'lookup-failed': local,
  'lookup-timeout': local,

  // rlpx
  'handshake-size': silent,
  'handshake-plain': silent,
  'handshake-decrypt': silent,
  'handshake-invalid': silent,
  'handshake-self': silent,
  'handshake-timeout': { silent: true, penalty: 'minor', backOff: true },
  'frame-header-mac': silent,
  'frame-body-mac': silent,
  'frame-too-large': breach,
  'frame-empty': breach,
  'snappy-too-large': breach,
  'snappy-invalid': breach,
  'message-code-invalid': breach,

  // p2p
  'hello-expected': breach,
  'hello-repeated': breach,
  'hello-invalid': breach,
  'null-identity': { disconnect: 'null-identity', penalty: 'major', backOff: true },
  'unexpected-identity': { disconnect: 'unexpected-identity', penalty: 'major', backOff: true },
  'connected-to-self': { disconnect: 'connected-to-self', penalty: 'none', backOff: true },
  'incompatible-version': { disconnect: 'incompatible-version', penalty: 'none', backOff: true },
  'no-shared-capability': useless,
  'too-many-peers': { disconnect: 'too-many-peers', penalty: 'none', backOff: true },
  'already-connected': { disconnect: 'already-connected', penalty: 'none' },
  'message-code-out-of-range': breach,
  'ping-timeout': { disconnect: 'ping-timeout', penalty: 'minor', backOff: true },
  'read-timeout': network,
  'write-timeout': network,
  'slow-peer': network,
  'memory-budget': network,
  'network-error': network,
  'handler-returned': { disconnect: 'requested', penalty: 'none' },
  'handler-failed': { disconnect: 'subprotocol-error', penalty: 'none' },
  'disconnect-requested': { disconnect: 'requested', penalty: 'none' },
  'server-closing': { disconnect: 'client-quitting', penalty: 'none' },
  'pending-replaced': { silent: true, penalty: 'none' },
  'address-refused': { silent: true, penalty: 'none', backOff: true },
  'inbound-throttled': { silent: true, penalty: 'none' },
  banned: { disconnect: 'useless-peer', penalty: 'none', backOff: true },
  'bad-reputation': { disconnect: 'useless-peer', penalty: 'none', backOff: true },
  'remote-disconnect': { penalty: 'none', backOff: true },

  // eth
  'message-too-large': breach,
  'message-invalid': breach,
  'message-unsupported': breach,
  'status-expected': breach,
  'status-repeated': breach,
  'status-timeout': { disconnect: 'subprotocol-error', penalty: 'minor', backOff: true },
  'protocol-version-mismatch': subprotocol,
  'network-mismatch': { disconnect: 'useless-peer', penalty: 'none', backOff: true },
  'genesis-mismatch': { disconnect: 'useless-peer', penalty: 'none', backOff: true },
  'fork-id-mismatch': { disconnect: 'useless-peer', penalty: 'none', backOff: true },
  'block-range-invalid': breach,
  'request-unknown': breach,
  'response-too-long': breach,
  'request-timeout': { penalty: 'minor' },
  'request-overload': { penalty: 'none' },
  'request-withheld': { penalty: 'none' },

  // sync
  'header-invalid': breach,
  'body-mismatch': breach,
  'chain-not-found': useless,
  'no-peers': local,
  'chain-file-damaged': local,
  'genesis-invalid': local,

  // stores of chains and nodes
  'store-locked': local,
  'store-damaged': local,
  'store-mismatch': local,

  // translators of addresses
  'nat-no-router': local,
  'nat-refused': local,
  'nat-carrier-grade': local,
  'nat-lie': local,

  // server and files
  'key-unreadable': local,
  'file-unreadable': local,
  'node-set-invalid': local,
  'port-in-use': local,
  'listen-failed': local,
  'dial-failed': { penalty: 'none', backOff: true },
  'dial-timeout': { penalty: 'none', backOff: true },
  'system-limit': local,
} as const satisfies Record<string, Consequence>;

export type ErrorCode = keyof typeof CONSEQUENCES;

export interface ErrorDetails {
  readonly cause?: unknown;
  /** Facts about the failure that are safe to log: sizes, names, public values; never secrets. */
  readonly details?: Readonly<Record<string, string | number | bigint | boolean>>;
}

/** Every error that peerlane throws or emits. */
export class PeerlaneError extends Error {
  override readonly name = 'PeerlaneError';
  readonly code: ErrorCode;
  readonly details: Readonly<Record<string, string | number | bigint | boolean>>;

  constructor(code: ErrorCode, message: string, { cause, details = {} }: ErrorDetails = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.details = details;
  }
}

/**
 * An error whose cause is what the remote side did. It has no stack, which would say nothing of that, and takes longer to
 * collect than all the rest of taking leave of a peer.
 */
export function remoteError(code: ErrorCode, message: string, options?: ErrorDetails): PeerlaneError {
  // Where the limit is frozen there is a stack.
  if (Object.getOwnPropertyDescriptor(Error, 'stackTraceLimit')?.writable !== true) {
    return new PeerlaneError(code, message, options);
  }
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  try {
    return new PeerlaneError(code, message, options);
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

export function isPeerlaneError(error: unknown, code?: ErrorCode): error is PeerlaneError {
  return error instanceof PeerlaneError && (code === undefined || error.code === code);
}

/** What `read` gives; `undefined` where it throws an error of the family, of that code if one is named. */
export function unlessError<T>(read: () => T, code?: ErrorCode): T | undefined {
  try {
    return read();
  } catch (error) {
    if (isPeerlaneError(error, code)) return undefined;
    throw error;
  }
}

/** What follows for the peer behind `error`; a foreign error is our own bug and costs the peer nothing. */
export function consequenceOf(error: unknown): Consequence {
  return CONSEQUENCES[error instanceof PeerlaneError ? error.code : 'internal'];
}

/** `error` itself when it is of the family, else wrapped under `code`. */
export function toPeerlaneError(error: unknown, code: ErrorCode = 'internal'): PeerlaneError {
  if (error instanceof PeerlaneError) return error;
  return new PeerlaneError(code, errorText(error), { cause: error });
}

/** What was thrown, for a message: it may be anything, and have no text. */
export function errorText(error: unknown): string {
  try {
    return String(error instanceof Error ? error.message : error);
  } catch {
    return 'something that has no text';
  }
}
