export { type BatchMemory, type LanesFilled, runLinks, runSlice } from './batch.ts';
export { BASE_PROTOCOL_LENGTH, matchProtocols, routeCode, type SharedProtocol } from './capability.ts';
export { FRAME_READ_TIMEOUT_MS, HANDSHAKE_TIMEOUT_MS, PING_INTERVAL_MS } from './deadlines.ts';
export {
  DISCONNECT_REASONS,
  decodeDisconnect,
  disconnectReasonName,
  encodeDisconnect,
} from './disconnect.ts';
export { decodeHello, encodeHello, type Hello, MAX_HELLO_SIZE, P2P_VERSION } from './hello.ts';
export {
  DEFAULT_MAX_MESSAGE_SIZE,
  Link,
  type LinkHost,
  type LinkOptions,
} from './link.ts';
export { type OfferOutcome, offerToAll } from './offer.ts';
export { MESSAGE_PRIORITIES, type MessagePriority, SMALL_MESSAGE } from './outbox.ts';
export {
  type Capability,
  LENT_PAYLOAD,
  type Message,
  type PayloadView,
  type PeerInfo,
  type Protocol,
  type ProtocolChannel,
} from './protocol.ts';
