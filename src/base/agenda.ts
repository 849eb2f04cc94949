import { type DueTimer, TimerHeap } from './timer-heap.ts';

/** Something to be done at a time; may be taken back. */
export type Appointment = Pick<DueTimer, 'at' | 'cancel'>;

/** The time of a machine, and what it has to do later; it moves when it is told to. */
export class Agenda {
  /** Milliseconds. */
  now = Number.NEGATIVE_INFINITY;
  readonly #timers = new TimerHeap();

  /** When something is to be done next; `Infinity` for never. */
  get deadline(): number {
    return this.#timers.deadline;
  }

  in(ms: number, run: () => void): Appointment {
    return this.#timers.add(this.now + ms, run);
  }

  /** Does what is due, as far as it was at `until`. */
  runDue(until: number): void {
    const end = Math.min(this.now, until);
    for (let due = this.#timers.take(end); due !== undefined; due = this.#timers.take(end)) due.run();
  }
}
