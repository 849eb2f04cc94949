import { Bucket } from './bucket.ts';

/** What is prompt may have this part of a bucket at once, whatever others have spent of it. */
export const PROMPT_PART: number = 1 / 2;

/**
 * A bucket that may be overdrawn by what is prompt: by less than what comes in, so that a debt is still paid back and the
 * rate kept.
 */
export class PromptBucket extends Bucket {
  readonly #prompt: Bucket;

  /** @param rate bytes a second */
  constructor(rate: number, now: number) {
    super(rate, now);
    this.#prompt = new Bucket(rate * PROMPT_PART, now);
  }

  /** Milliseconds until what is prompt may go. @param isContested something else waits for what there is */
  promptMs(now: number, isContested: boolean): number {
    const promptMs = this.#prompt.waitMs(now);
    return isContested ? promptMs : Math.min(promptMs, this.waitMs(now));
  }

  /** Spends the part of what is prompt, if it does not go as everything else does. The bytes are yet to be spent themselves. */
  spendPrompt(bytes: number, now: number, isContested: boolean): void {
    if (isContested || this.waitMs(now) > 0) this.#prompt.spend(bytes, now);
  }
}
