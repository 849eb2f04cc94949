/** What commands that run a server say when it has no or few peers. */
import type { Env } from '../base/env.ts';
import type { Diagnosis, Finding } from '../server/index.ts';
import { printable } from './format.ts';
import type { Output } from './output.ts';
import { repeated } from './repeated.ts';

/** So long a server has had no or few peers before a word is said: to begin takes a moment. */
export const PATIENCE_MS = 60_000;
const LOOK_MS = 5_000;
/** What has changed is told no sooner after the last time. */
const CHANGED_MS = 60_000;
/** What has not is told again after this time, and then less and less often. */
export const REMIND_MS: number = 5 * 60_000;
export const MAX_REMIND_MS: number = 60 * 60_000;
/** Characters of a line: messages and advice are of our own making. */
const TEXT_LIMIT = 600;

export class DiagnosisReport implements Disposable {
  readonly #env: Env;
  readonly #output: Output;
  readonly #diagnose: () => Diagnosis;
  readonly #stop: () => void;
  /** Since when there are no or few peers. */
  #since: number | undefined;
  #told: { readonly what: string; readonly at: number } | undefined;
  #remindMs = REMIND_MS;

  constructor(env: Env, output: Output, server: { diagnose(): Diagnosis }) {
    this.#env = env;
    this.#output = output;
    this.#diagnose = () => server.diagnose();
    this.#since = env.now();
    this.#stop = repeated(env, LOOK_MS, () => this.#look());
  }

  /** Says it now, unless just that has been said. */
  tell(): void {
    const diagnosis = this.#diagnose();
    if (this.#told?.what !== gist(diagnosis)) this.#tell(diagnosis);
  }

  [Symbol.dispose](): void {
    this.#stop();
  }

  #look(): void {
    const now = this.#env.now();
    const diagnosis = this.#diagnose();
    if (diagnosis.state !== 'none' && diagnosis.state !== 'few') {
      this.#since = undefined;
      this.#told = undefined;
      return;
    }
    this.#since ??= now;
    if (now - this.#since < PATIENCE_MS) return;
    // A small network of one's own has few peers, and nothing is wrong.
    if (diagnosis.state === 'few' && diagnosis.findings.length === 0) return;
    if (this.#told === undefined) {
      this.#remindMs = REMIND_MS;
      this.#tell(diagnosis);
      return;
    }
    const silence = now - this.#told.at;
    if (this.#told.what !== gist(diagnosis)) {
      if (silence < CHANGED_MS) return;
      this.#remindMs = REMIND_MS;
      this.#tell(diagnosis);
    } else if (silence >= this.#remindMs) {
      this.#remindMs = Math.min(2 * this.#remindMs, MAX_REMIND_MS);
      this.#tell(diagnosis);
    }
  }

  #tell(diagnosis: Diagnosis): void {
    this.#told = { what: gist(diagnosis), at: this.#env.now() };
    const { state, peers, findings, summary } = diagnosis;
    const others = findings.slice(1).map(({ message, advice }) => `  ${message}. ${advice}`);
    const lines = [summary, ...others].map((line) => printable(line, TEXT_LIMIT));
    const fields = { state, peers: { ...peers }, findings: findings.map(fieldsOf), summary };
    this.#output.event('diagnosis', fields, lines.join('\n'));
  }
}

const fieldsOf = ({ kind, count, message, advice }: Finding) => ({ kind, count, message, advice });

/** What is wrong, without the figures, which change all the time. */
function gist({ state, findings }: Diagnosis): string {
  return [state, ...findings.map(({ kind }) => kind)].join();
}
