/** What `peerlane bench` measures: the questions, in the groups that share a process. */
import type { Figure } from './figure.ts';
import { decodeRate, encodeRate, SIZES } from './frames.ts';
import { handshakeRate } from './handshake.ts';
import { type Pace, rateOf } from './measure.ts';
import { PRIMITIVES, samples } from './primitives.ts';
import { rlpDecodeTime } from './rlp-decode.ts';
import { tcpRate } from './tcp.ts';

export interface Question {
  readonly id: string;
  readonly unit: string;
  /** False where the code is the same under both backends. */
  readonly usesBackend: boolean;
  /** Measures, at `pace`, the backend of this process. */
  readonly ask: (pace: Pace) => Promise<Figure>;
}

/** Streams whose frames are coded in one call. */
const STREAMS = [1, 8, 50] as const;

function frameQuestions(streams: number): Question[] {
  return Object.entries(SIZES).flatMap(([name, size]) =>
    [
      { verb: 'encode', rate: encodeRate },
      { verb: 'decode', rate: decodeRate },
    ].map(({ verb, rate }) => ({
      id: `frame-${verb}-${name}-x${streams}`,
      unit: 'MB/s',
      usesBackend: true,
      ask: (pace: Pace) => rate(pace, size, streams),
    })),
  );
}

const primitiveQuestions: readonly Question[] = Object.entries(PRIMITIVES).map(([id, make]) => ({
  id,
  unit: 'ops/s',
  usesBackend: true,
  ask: (pace) => rateOf(pace, 1, make(samples())),
}));

/** By the name of their group: one process answers those of a group, so that none runs in another's garbage. */
export const QUESTIONS: Readonly<Record<string, readonly Question[]>> = {
  primitives: primitiveQuestions,
  handshake: [{ id: 'handshake', unit: 'handshakes/s', usesBackend: true, ask: handshakeRate }],
  ...Object.fromEntries(STREAMS.map((streams) => [`frames-x${streams}`, frameQuestions(streams)])),
  'rlp-decode': [{ id: 'rlp-decode-1000tx', unit: 'ms', usesBackend: false, ask: rlpDecodeTime }],
  tcp: [{ id: 'tcp-100k', unit: 'MB/s', usesBackend: true, ask: tcpRate }],
};
