/** A strict reader of the text formats of Prometheus and OpenMetrics, for what is written of metrics. */

export interface ReadSample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface ReadFamily {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  readonly samples: ReadSample[];
}

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/s;
const LABEL = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)/;
const NUMBER = /^(?:[+-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?|[+-]Inf|NaN)$/i;
const ESCAPES: Readonly<Record<string, string>> = { '\\n': '\n', '\\"': '"', '\\\\': '\\' };
const SUFFIXES: Readonly<Record<string, readonly string[]>> = { histogram: ['_bucket', '_sum', '_count'] };

/** @throws Error that says which line is wrong */
export function readExposition(text: string, isOpenMetrics: boolean): Map<string, ReadFamily> {
  if (!text.endsWith('\n')) throw new Error('the text does not end with a line feed');
  const lines = text.slice(0, -1).split('\n');
  if (isOpenMetrics && lines.pop() !== '# EOF') throw new Error('the last line is not # EOF');
  const families = new Map<string, ReadFamily>();
  const seen = new Set<string>();
  let current: ReadFamily | undefined;
  let help: readonly [string, string] | undefined;
  for (const line of lines) {
    if (line === '' && !isOpenMetrics) continue;
    const [, keyword, name = '', rest = ''] = /^# (HELP|TYPE) (\S+) (.+)$/.exec(line) ?? [];
    if (keyword === 'HELP') {
      if (families.has(name)) throw new Error(`two families of one name: ${line}`);
      help = [name, rest];
    } else if (keyword === 'TYPE') {
      if (help?.[0] !== name || !NAME.test(name)) throw new Error(`a type without its help: ${line}`);
      if (!['gauge', 'counter', 'histogram'].includes(rest)) throw new Error(`no such type: ${line}`);
      current = { name, type: rest, help: help[1], samples: [] };
      families.set(name, current);
    } else {
      if (current === undefined) throw new Error(`a sample of no family: ${line}`);
      const sample = sampleOf(line);
      if (!namesOf(current, isOpenMetrics).includes(sample.name)) throw new Error(`another family: ${line}`);
      const key = `${sample.name} ${JSON.stringify(Object.entries(sample.labels).sort())}`;
      if (seen.has(key)) throw new Error(`the same sample twice: ${line}`);
      seen.add(key);
      if (current.type === 'counter' && !(sample.value >= 0)) throw new Error(`below zero: ${line}`);
      current.samples.push(sample);
    }
  }
  for (const family of families.values()) if (family.type === 'histogram') checkHistogram(family);
  return families;
}

function namesOf({ name, type }: ReadFamily, isOpenMetrics: boolean): readonly string[] {
  if (type === 'counter' && isOpenMetrics) return [`${name}_total`];
  return (SUFFIXES[type] ?? ['']).map((suffix) => name + suffix);
}

function sampleOf(line: string): ReadSample {
  const [, name, inside = '', value = ''] = SAMPLE.exec(line) ?? [];
  if (name === undefined || !NUMBER.test(value)) throw new Error(`not a sample: ${line}`);
  const labels: Record<string, string> = {};
  for (let rest = inside; rest !== ''; ) {
    const [all, label, text = ''] = LABEL.exec(rest) ?? [];
    if (all === undefined || label === undefined || label in labels) throw new Error(`bad labels: ${line}`);
    labels[label] = text.replace(/\\./g, (escaped) => ESCAPES[escaped] ?? '');
    rest = rest.slice(all.length);
  }
  return { name, labels, value: Number(value.replace('Inf', 'Infinity')) };
}

/** Buckets rise, the last one is infinite and as large as the count; each has its sum. */
function checkHistogram({ name, samples }: ReadFamily): void {
  const keyOf = ({ le: _, ...labels }: Readonly<Record<string, string>>) => JSON.stringify(labels);
  for (const key of new Set(samples.map(({ labels }) => keyOf(labels)))) {
    const own = samples.filter(({ labels }) => keyOf(labels) === key);
    const buckets = own.filter((sample) => sample.name === `${name}_bucket`);
    const count = own.find((sample) => sample.name === `${name}_count`);
    const sum = own.find((sample) => sample.name === `${name}_sum`);
    const bounds = buckets.map(({ labels: { le = '' } }) => Number(le.replace('Inf', 'Infinity')));
    const rises = (values: readonly number[], strictly: boolean) =>
      values.every((value, i) => i === 0 || value > (values[i - 1] ?? 0) - (strictly ? 0 : 1e-9));
    if (!rises(bounds, true) || bounds.at(-1) !== Number.POSITIVE_INFINITY)
      throw new Error(`${name}: bounds`);
    const values = buckets.map(({ value }) => value);
    if (!rises(values, false) || values.at(-1) !== count?.value || sum === undefined) {
      throw new Error(`${name}: buckets`);
    }
  }
}
