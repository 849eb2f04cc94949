import { onAbort } from '../base/abort.ts';

/**
 * Requests that end together: with the group, or with the signal that it hangs on, which gets one listener however
 * many requests there are.
 */
export class AbortGroup implements Disposable {
  readonly #members = new Set<AbortController>();
  readonly #removeListener: () => void;
  #ended = false;

  constructor(signal?: AbortSignal) {
    this.#removeListener = onAbort(signal, () => this.abort());
  }

  /** A controller that is aborted with the group until `delete` takes it out. */
  add(): AbortController {
    const member = new AbortController();
    if (this.#ended) member.abort();
    else this.#members.add(member);
    return member;
  }

  delete(member: AbortController): void {
    this.#members.delete(member);
  }

  abort(): void {
    this.#ended = true;
    for (const member of this.#members) member.abort();
    this.#members.clear();
  }

  [Symbol.dispose](): void {
    this.#removeListener();
    this.abort();
  }
}
