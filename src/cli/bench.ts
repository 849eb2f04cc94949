import { open, rm, writeFile } from 'node:fs/promises';
import { type Command, InvalidArgumentError } from 'commander';
import { PeerlaneError } from '../base/errors.ts';
import { fileProblem } from '../base/file-problem.ts';
import type { Backend, BenchRow } from '../bench/figure.ts';
import { QUESTIONS, type Question } from '../bench/questions.ts';
import { type Answer, type AskOptions, ask, probe } from './bench/ask.ts';
import { pageOf } from './bench/page.ts';
import { chartsOf, factsOf, type Report, thisMachine } from './bench/report.ts';
import { comparison, tableText } from './bench/table.ts';
import { chartText } from './bench/terminal-chart.ts';
import { type CommonOptions, type Context, type RunAction, withCommonOptions } from './command.ts';
import { formatDuration } from './format.ts';
import type { Output } from './output.ts';

interface BenchOptions extends CommonOptions {
  readonly html?: string;
  readonly quick?: boolean;
  readonly only?: string;
}

const BACKENDS: readonly Backend[] = ['native', 'js'];
/** Of a terminal that does not say how wide it is. */
const DEFAULT_WIDTH = 80;

export function addBenchCommand(program: Command, run: RunAction): void {
  withCommonOptions(program.command('bench'))
    .description('measure the native and the js backend on this machine, in about two minutes')
    .option('--html <file>', 'write a page with charts, too')
    .option('--quick', 'short rounds: rough figures in a quarter of a minute')
    .option('--only <text>', 'only questions whose id contains this', questionText)
    .action((options: BenchOptions) => run(options, (context) => bench(context, options)));
}

/** Checks a value of `--only`. */
function questionText(text: string): string {
  if (plan(text).length > 0) return text;
  throw new InvalidArgumentError(`no id contains it; the ids are ${idsInShort()}`);
}

/** All ids, with those that differ in numbers only written as one. */
function idsInShort(): string {
  const ids = Object.values(QUESTIONS).flatMap((questions) => questions.map(({ id }) => id));
  const frame = /^(frame-\w+)-(\w+)-(x\d+)$/;
  const parts = (index: number) => [...new Set(ids.flatMap((id) => frame.exec(id)?.[index] ?? []))].join('|');
  const short = ids.map((id) => id.replace(frame, (_, start) => `${start}-(${parts(2)})-(${parts(3)})`));
  return [...new Set(short)].join(', ');
}

type Plan = readonly (readonly Question[])[];

/** The questions by the group that shares a process. */
function plan(only = ''): Plan {
  const groups = Object.values(QUESTIONS).map((questions) => questions.filter(({ id }) => id.includes(only)));
  return groups.filter((questions) => questions.length > 0);
}

async function bench(context: Context, { html, quick = false, only }: BenchOptions): Promise<void> {
  const { env, output } = context;
  const page = html === undefined ? undefined : await reserve(html);
  const start = env.now();
  try {
    const pace = quick ? 'quick' : 'full';
    const found = await findBackends(context, pace);
    const base = { ...found, machine: thisMachine(), startedAt: env.unixTime(), pace } as const;
    printMachine(output, { ...base, rows: [] });
    const { rows, failed } = await measure(context, base, plan(only));
    const report: Report = { ...base, rows };
    output.endProgress();
    // Before the page: a disk that has become full must not take them along.
    if (output.mode !== 'json' && rows.length > 0) output.event('figures', {}, `\n${figures(report)}\n`);
    await page?.write(pageOf(report));
    const seconds = (env.now() - start) / 1000;
    const where = html === undefined ? '' : `, written to ${html}`;
    output.event(
      'done',
      { figures: rows.length, failed, seconds: Math.round(seconds * 10) / 10, html },
      `${rows.length} ${rows.length === 1 ? 'figure' : 'figures'} in ${formatDuration(seconds)}${where}`,
    );
    if (failed > 0)
      throw new PeerlaneError('internal', `${failed} of ${failed + rows.length} measurements failed`);
  } finally {
    await page?.release();
  }
}

/** A file that can be written, before there is something to write. @throws PeerlaneError `file-unreadable` */
async function reserve(path: string): Promise<Reserved> {
  const failed = (cause: unknown) => {
    // A new file cannot itself be what is missing.
    const isMissing = cause instanceof Error && 'code' in cause && cause.code === 'ENOENT';
    const problem = isMissing ? 'its directory does not exist' : fileProblem(cause);
    return new PeerlaneError('file-unreadable', `cannot write ${path}: ${problem}`, { cause });
  };
  let isOurs = true;
  try {
    const file = await open(path, 'wx').catch((error: unknown) => {
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
      isOurs = false;
      return open(path, 'r+');
    });
    await file.close();
  } catch (error) {
    throw failed(error);
  }
  return {
    async write(text) {
      try {
        await writeFile(path, text);
        isOurs = false;
      } catch (error) {
        throw failed(error);
      }
    },
    async release() {
      if (isOurs) await rm(path, { force: true });
    },
  };
}

interface Reserved {
  write(text: string): Promise<void>;
  /** Removes the file if it is new and nothing was written. */
  release(): Promise<void>;
}

type Found = Pick<Report, 'backends' | 'leftOut'>;

async function findBackends(context: Context, pace: AskOptions['pace']): Promise<Found> {
  const backends: { name: Backend; detail: string }[] = [];
  const leftOut: { name: Backend; reason: string }[] = [];
  for (const name of BACKENDS) {
    const found = await probe({ ...context, backend: name, pace });
    if ('detail' in found) backends.push({ name, detail: found.detail });
    else leftOut.push({ name, reason: found.reason });
  }
  if (backends.length === 0) {
    const reasons = leftOut.map(({ name, reason }) => `${name}: ${reason}`).join('; ');
    throw new PeerlaneError('backend-unavailable', `nothing to measure: ${reasons}`);
  }
  return { backends, leftOut };
}

function printMachine(output: Output, report: Report): void {
  const { machine, pace, backends, leftOut } = report;
  const lines = factsOf(report).map(([name, value]) => `${name.padEnd(8)} ${value}`);
  output.event('machine', { ...machine, pace, backends, leftOut }, `${lines.join('\n')}\n`);
}

/** Asks all questions; the backends take turns, so that a slow moment of the machine falls on both. */
async function measure(
  context: Context,
  { backends, pace }: Pick<Report, 'backends' | 'pace'>,
  groups: Plan,
): Promise<{ rows: BenchRow[]; failed: number }> {
  const { output } = context;
  const names = backends.map(({ name }) => name);
  // What is JavaScript under both backends is asked once.
  const tasks = groups.flatMap((questions) =>
    names.flatMap((backend) => {
      const own = questions.filter(({ usesBackend }) => usesBackend || backend === names.at(-1));
      return own.length === 0 ? [] : [{ backend, questions: own }];
    }),
  );
  const total = tasks.reduce((sum, { questions }) => sum + questions.length, 0);
  const rows: BenchRow[] = [];
  let failed = 0;
  output.progress('measured', 0, total);
  for (const { backend, questions } of tasks) {
    const onAnswer = (answer: Answer): void => {
      const unit = questions.find(({ id }) => id === answer.id)?.unit ?? '';
      if ('figure' in answer) {
        const row: BenchRow = { id: answer.id, subject: backend, unit, ...answer.figure };
        rows.push(row);
        if (output.mode === 'json') output.event('row', { ...row }, '');
      } else {
        failed++;
        const { id, problem: message } = answer;
        output.event(
          'question-failed',
          { id, subject: backend, message },
          `${id} (${backend}) failed: ${message}`,
        );
      }
      output.progress('measured', rows.length + failed, total);
    };
    await ask(
      { ...context, backend, pace },
      questions.map(({ id }) => id),
      onAnswer,
    );
  }
  return { rows, failed };
}

/** The table and the charts. */
function figures({ rows }: Report): string {
  const { stdout, env } = process;
  const isColourful = stdout.isTTY === true && (env.NO_COLOR ?? '') === '' && env.TERM !== 'dumb';
  const style = { width: stdout.columns ?? DEFAULT_WIDTH, colour: isColourful };
  return `${tableText(comparison(rows, BACKENDS))}\n\n${chartText(chartsOf(rows), style)}`;
}
