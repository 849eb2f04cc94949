// The parts in use of a package that comes without types (RFC 1035 messages).
declare module 'dns-packet' {
  export interface Question {
    readonly name: string;
    readonly type: string;
  }
  export interface Answer extends Question {
    readonly ttl: number;
    /** TXT: the strings of one record. */
    readonly data: readonly Uint8Array[];
  }
  export interface Packet {
    readonly id?: number;
    readonly type?: 'query' | 'response';
    /** The low four bits of a response are its code. */
    readonly flags?: number;
    readonly questions?: readonly Question[];
    readonly answers?: readonly Answer[];
  }
  export const AUTHORITATIVE_ANSWER: number;
  export const TRUNCATED_RESPONSE: number;
  export function decode(message: Uint8Array): Packet;
  export function encode(packet: Packet): Buffer;
  /** With the length in front, as over TCP. */
  export const streamEncode: typeof encode;
  export const streamDecode: typeof decode;
}
