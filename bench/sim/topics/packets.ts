/** Packets of v5 as far as they matter here: messages that nobody encrypts, and handshakes without keys. */
import { encodeMessage, type Message } from '../../../src/discv5/messages.ts';
import type { TopicNode } from '../../../src/discv5/topics/index.ts';

/** Bytes of a packet beside its message: masking IV, header, authdata and tag; of a WHOAREYOU, and of one that opens nothing. */
const MESSAGE_OVERHEAD = 16 + 23 + 32 + 16;
const HANDSHAKE_OVERHEAD = 16 + 23 + 34 + 64 + 33 + 16;
const WHOAREYOU_LENGTH = 63;
const KNOCK_LENGTH = 98;

/** All of them say which call of the asker they are about. */
export type TopicPacket = { readonly length: number; readonly call: number } & (
  | { readonly kind: 'knock' }
  | { readonly kind: 'whoareyou' }
  | {
      readonly kind: 'message';
      readonly message: Message;
      readonly sender: TopicNode;
      /** It comes with a handshake. */
      readonly isFirst: boolean;
    }
);

export function knock(call: number): TopicPacket {
  return { kind: 'knock', call, length: KNOCK_LENGTH };
}

export function whoareyou(call: number): TopicPacket {
  return { kind: 'whoareyou', call, length: WHOAREYOU_LENGTH };
}

export function messagePacket(
  call: number,
  message: Message,
  sender: TopicNode,
  isFirst = false,
): TopicPacket {
  const overhead = isFirst ? HANDSHAKE_OVERHEAD + sender.record.encoded.length : MESSAGE_OVERHEAD;
  return {
    ...{ kind: 'message', call, message, sender, isFirst },
    length: overhead + encodeMessage(message).length,
  };
}
