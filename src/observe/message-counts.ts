import { CounterTable, OTHER } from './counter-table.ts';
import { Histogram, type HistogramSnapshot, SECONDS } from './histogram.ts';

/** Codes of one protocol that are counted each by itself; those above share a place. */
export const MAX_COUNTED_CODES = 64;
/** Causes by which requests fail. */
const MAX_CAUSES = 64;

export type Direction = 'in' | 'out';

/** Messages of one kind. */
export interface MessageCount {
  readonly direction: Direction;
  readonly protocol: string;
  readonly version: number;
  /** The name that the protocol has for it, else its code, such as `0x05`; `other` for the rest. */
  readonly message: string;
  readonly count: number;
  /** Of payloads, not compressed. */
  readonly bytes: number;
}

/** Requests of one kind that this node has made. */
export interface RequestCount {
  readonly protocol: string;
  readonly version: number;
  readonly request: string;
  /** Those whose answer is waited for. */
  readonly pending: number;
  /** Seconds until the answer came, of those that were answered. */
  readonly seconds: HistogramSnapshot;
  /** Of the others, by the code of the error. */
  readonly failures: Readonly<Record<string, number>>;
}

export interface CountedProtocol {
  readonly name: string;
  readonly version: number;
  /** Number of message codes. */
  readonly length: number;
  readonly messageNames?: readonly (string | undefined)[] | undefined;
}

class Requests {
  pending = 0;
  readonly seconds = new Histogram(SECONDS);
  readonly failures = new CounterTable(MAX_CAUSES);
}

/** The messages of one protocol, of all peers. To count one is to add to four numbers. */
export class MessageCounts {
  readonly #protocol: CountedProtocol;
  readonly #places: number;
  /** For each place: messages in, bytes in, messages out, bytes out. */
  readonly #numbers: Float64Array;
  readonly #requests = new Map<string, Requests>();
  readonly #names: ReadonlySet<string | undefined>;

  constructor(protocol: CountedProtocol) {
    this.#protocol = protocol;
    this.#names = new Set(protocol.messageNames ?? []);
    this.#places = Math.min(protocol.length, MAX_COUNTED_CODES) + 1;
    this.#numbers = new Float64Array(4 * this.#places);
  }

  /** @param code counted from the start of the protocol's own range */
  received(code: number, bytes: number): void {
    this.#add(4 * this.#placeOf(code), bytes);
  }

  sent(code: number, bytes: number): void {
    this.#add(4 * this.#placeOf(code) + 2, bytes);
  }

  /** A request of ours begins to wait; whoever made it says how it ended, once, and after how many milliseconds. */
  requested(request: string): (ms: number, cause?: string) => void {
    const requests = this.#requestsOf(this.#names.has(request) ? request : OTHER);
    requests.pending++;
    let isOver = false;
    return (ms, cause) => {
      if (isOver) return;
      isOver = true;
      requests.pending--;
      if (cause === undefined) requests.seconds.observe(ms / 1000);
      else requests.failures.add(cause);
    };
  }

  messages(): MessageCount[] {
    const { name: protocol, version } = this.#protocol;
    const all: MessageCount[] = [];
    for (let place = 0; place < this.#places; place++) {
      for (const direction of ['in', 'out'] as const) {
        const at = 4 * place + (direction === 'in' ? 0 : 2);
        const [count = 0, bytes = 0] = [this.#numbers[at], this.#numbers[at + 1]];
        if (count > 0) all.push({ direction, protocol, version, message: this.#nameOf(place), count, bytes });
      }
    }
    return all;
  }

  requests(): RequestCount[] {
    const { name: protocol, version } = this.#protocol;
    return [...this.#requests].map(([request, { pending, seconds, failures }]) => ({
      ...{ protocol, version, request, pending },
      ...{ seconds: seconds.snapshot(), failures: failures.snapshot() },
    }));
  }

  #add(at: number, bytes: number): void {
    const numbers = this.#numbers;
    numbers[at] = (numbers[at] ?? 0) + 1;
    numbers[at + 1] = (numbers[at + 1] ?? 0) + bytes;
  }

  #placeOf(code: number): number {
    return code < this.#places ? code : this.#places - 1;
  }

  #nameOf(place: number): string {
    if (place === this.#places - 1) return OTHER;
    return this.#protocol.messageNames?.[place] ?? `0x${place.toString(16).padStart(2, '0')}`;
  }

  #requestsOf(name: string): Requests {
    let requests = this.#requests.get(name);
    if (requests === undefined) {
      requests = new Requests();
      this.#requests.set(name, requests);
    }
    return requests;
  }
}
