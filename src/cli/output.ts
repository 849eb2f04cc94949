/** What commands print: bars on a terminal, plain lines elsewhere, or one JSON object a line. */
import { MultiBar, type SingleBar } from 'cli-progress';
import type { Env } from '../base/env.ts';
import type { PeerlaneError } from '../base/errors.ts';
import { formatDuration, formatNumber, printable } from './format.ts';
import { ProgressMeter, type ProgressReport } from './progress.ts';

export type OutputMode = 'terminal' | 'plain' | 'json';

type Scalar = string | number | boolean | null;
export type JsonValue = Scalar | undefined | readonly JsonValue[] | { readonly [name: string]: JsonValue };
export type Fields = Readonly<Record<string, JsonValue>>;

/** The streams of a process, as far as they are used here. */
export interface Streams {
  readonly stdout: NodeJS.WritableStream & { readonly isTTY?: boolean };
  readonly stderr: NodeJS.WritableStream;
}

const BAR_FORMAT = '{stage} {bar} {percentage} %  {counts}';
/** Characters of an error: it may list what is possible. */
const ERROR_LIMIT = 600;
const REPORT_INTERVAL_MS: Record<OutputMode, number> = { terminal: 100, plain: 1_000, json: 100 };

export class Output {
  readonly mode: OutputMode;
  /** Set when the standard output cannot be written any more. */
  isLost = false;
  readonly #env: Env;
  readonly #streams: Streams;
  readonly #meters = new Map<string, ProgressMeter>();
  readonly #bars = new Map<string, SingleBar>();
  #multi: MultiBar | undefined;

  constructor(json: boolean, env: Env, streams: Streams = process) {
    this.mode = json ? 'json' : streams.stdout.isTTY === true ? 'terminal' : 'plain';
    this.#env = env;
    this.#streams = streams;
  }

  /** Something that happened: `{event, ...fields}` with `--json`, else the lines of `text`. */
  event(name: string, fields: Fields, text: string): void {
    if (this.mode === 'json') this.#json(name, fields);
    else if (this.#multi === undefined) this.#streams.stdout.write(`${text}\n`);
    else {
      this.#multi.log(`${text}\n`);
      // What is logged waits for the next redraw, which may never come.
      this.#multi.update();
    }
  }

  /** How something is that has no end that is known: as `event`, but on a terminal in one line that is written over. */
  status(name: string, fields: Fields, text: string): void {
    if (this.mode !== 'terminal') {
      this.event(name, fields, text);
      return;
    }
    let line = this.#bars.get(name);
    if (line === undefined) {
      line = this.#bottom.create(1, 0, { text }, { format: '{text}' });
      this.#bars.set(name, line);
    }
    line.update(0, { text });
  }

  /** How far `stage` is; cheap, however often it is called. `format` is for the text of figures. */
  progress(stage: string, done: number, total: number, format = formatNumber): void {
    let meter = this.#meters.get(stage);
    if (meter === undefined) {
      const report = (state: ProgressReport) => this.#report(state, format);
      meter = new ProgressMeter(stage, this.#env, REPORT_INTERVAL_MS[this.mode], report);
      this.#meters.set(stage, meter);
    }
    meter.update(done, total);
  }

  /** Prints the last state of all stages; bars stay where they are, and new ones begin below. */
  endProgress(): void {
    for (const meter of this.#meters.values()) meter.finish();
    this.#meters.clear();
    this.#bars.clear();
    this.#multi?.stop();
    this.#multi = undefined;
  }

  error({ message, code }: Pick<PeerlaneError, 'message' | 'code'>): void {
    this.endProgress();
    if (this.mode === 'json' && !this.isLost) this.#json('error', { code, message });
    else
      this.#streams.stderr.write(`error: ${printable(message, ERROR_LIMIT)} (${code})
`);
  }

  #json(event: string, fields: Fields): void {
    this.#streams.stdout.write(`${JSON.stringify({ event, ...fields })}\n`);
  }

  #report(
    { stage, done, total, rate, secondsLeft }: ProgressReport,
    format: (value: number) => string,
  ): void {
    if (this.mode === 'json') {
      this.#json('progress', { stage, done, total, rate: rounded(rate), secondsLeft: rounded(secondsLeft) });
      return;
    }
    const speed = rate === undefined ? '' : `, ${format(rate)}/s`;
    const left =
      secondsLeft === undefined || secondsLeft === 0 ? '' : `, ${formatDuration(secondsLeft)} left`;
    const counts = `${format(done)} of ${format(total)}`;
    if (this.mode === 'terminal') {
      this.#bar(stage, total).update(done, { counts: `${counts}${speed}${left}` });
      return;
    }
    const percent = total === 0 ? 100 : Math.floor((100 * done) / total);
    this.#streams.stdout.write(`${stage}: ${counts} (${percent} %)${speed}${left}\n`);
  }

  /** What is written over. */
  get #bottom(): MultiBar {
    this.#multi ??= new MultiBar({
      format: BAR_FORMAT,
      stream: this.#streams.stdout,
      barCompleteChar: '\u2588',
      barIncompleteChar: '\u2591',
      barsize: 30,
      hideCursor: true,
      // The process has its own order of leaving.
      gracefulExit: false,
      autopadding: true,
    });
    return this.#multi;
  }

  #bar(stage: string, total: number): SingleBar {
    let bar = this.#bars.get(stage);
    if (bar === undefined) {
      bar = this.#bottom.create(total, 0, { stage: stage.padEnd(8), counts: '' });
      this.#bars.set(stage, bar);
    }
    if (bar.getTotal() !== total) bar.setTotal(total);
    return bar;
  }
}

function rounded(value: number | undefined): number | null {
  return value === undefined ? null : Math.round(value * 1000) / 1000;
}
