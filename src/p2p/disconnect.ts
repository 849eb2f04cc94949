/** Disconnect (rlpx.md, "Disconnect (0x01)"): the reasons, and the three forms in which they arrive. */
import { type DisconnectReasonName, type PeerlaneError, remoteError } from '../base/errors.ts';
import { decode, either, encode, list, mapped, struct, uint } from '../rlp/index.ts';

export const DISCONNECT_REASONS = {
  requested: 0x00,
  'network-error': 0x01,
  'breach-of-protocol': 0x02,
  'useless-peer': 0x03,
  'too-many-peers': 0x04,
  'already-connected': 0x05,
  'incompatible-version': 0x06,
  'null-identity': 0x07,
  'client-quitting': 0x08,
  'unexpected-identity': 0x09,
  'connected-to-self': 0x0a,
  'ping-timeout': 0x0b,
  'subprotocol-error': 0x10,
} as const satisfies Record<DisconnectReasonName, number>;

const NAMES: ReadonlyMap<number, DisconnectReasonName> = new Map(
  Object.entries(DISCONNECT_REASONS).map(([name, code]) => [code, name as DisconnectReasonName]),
);

/** The reason's name, or its number in hexadecimal when the specification has none for it. */
export function disconnectReasonName(code: number): DisconnectReasonName | `0x${string}` {
  return NAMES.get(code) ?? `0x${code.toString(16)}`;
}

const outgoing = struct({ reason: uint(8) });
const bare = uint(32);
const inList = mapped(
  list(uint(32)),
  (reasons): number => (reasons.length === 0 ? DISCONNECT_REASONS.requested : reasons.at(0)),
  (reason: number) => [reason],
);
const incoming = either(bare, inList);

export function encodeDisconnect(reason: DisconnectReasonName): Uint8Array {
  return encode(outgoing, { reason: DISCONNECT_REASONS[reason] });
}

/**
 * The reason's number from `[reason]`, a bare integer, or nothing at all. The peer is leaving, so whatever else
 * it sent counts as `requested`.
 */
export function decodeDisconnect(payload: Uint8Array): number {
  if (payload.length === 0) return DISCONNECT_REASONS.requested;
  try {
    return decode(incoming, payload);
  } catch {
    return DISCONNECT_REASONS.requested;
  }
}

/** The error of a peer that has sent a Disconnect, with this payload. */
export function remoteDisconnect(payload: Uint8Array): PeerlaneError {
  const code = decodeDisconnect(payload);
  const reason = disconnectReasonName(code);
  return remoteError('remote-disconnect', `the peer disconnected: ${reason}`, {
    details: { reason, reasonCode: code, quitting: code === DISCONNECT_REASONS['client-quitting'] },
  });
}
