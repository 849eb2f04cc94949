/**
 * Why packets and messages are dropped. `foreign`: none of this protocol. `challenged`: no session opens it, and a WHOAREYOU has been
 * sent. `shed`: there is no time for it. `handshake`: it proves nothing. `unsolicited`: an answer or a challenge that nobody asked for.
 * `talk`: a TalkReq for whose answer there is no place.
 */
export type Discv5DropReason =
  | 'foreign'
  | 'malformed'
  | 'own'
  | 'shed'
  | 'challenged'
  | 'handshake'
  | 'unsolicited'
  | 'talk';
