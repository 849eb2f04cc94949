export {
  accept,
  type Established,
  freshRandomness,
  type Handshake,
  type HandshakeOptions,
  type HandshakeRandomness,
  type Identity,
  identityOf,
  initiate,
  MAX_HANDSHAKE_SIZE,
  NONCE_LENGTH,
} from './handshake.ts';
export { IncomingMessage } from './incoming-message.ts';
export { deriveSecrets, type RlpxSecrets } from './secrets.ts';
export {
  blockOf,
  type DecodeStep,
  decodeSessions,
  EncodedMessages,
  encodeMessages,
  type OutgoingMessage,
  RlpxSession,
} from './session.ts';
