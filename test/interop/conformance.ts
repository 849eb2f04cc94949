/** go-ethereum's own conformance tests of discovery (`devp2p discv4 test`, `devp2p discv5 test`). */
import { once } from 'node:events';
import { start } from './child.ts';
import { toolPath } from './tools.ts';

export interface Results {
  /** The names of the tests that were run, in their order. */
  readonly names: readonly string[];
  readonly failed: readonly string[];
  /** The report, with the reasons of failures: Test Anything Protocol. */
  readonly text: string;
}

export interface Suite {
  readonly version: 'discv4' | 'discv5';
  /** An ENR or an enode URL. */
  readonly remote: string;
  /** The addresses that the tests come from: most use the first one only. */
  readonly from: readonly [string, string];
  /** A regular expression; default all tests. */
  readonly run?: string;
}

/** How many tests there are, which the tool tells before it begins with them. */
export async function plannedTests(suite: Suite): Promise<number> {
  const tool = run(suite);
  try {
    for await (const chunk of tool.stdout ?? []) {
      const planned = /^1\.\.(\d+)$/m.exec(String(chunk))?.[1];
      if (planned !== undefined) return Number(planned);
    }
    throw new Error('devp2p ended without a plan');
  } finally {
    tool.kill();
  }
}

function run({ version, remote, from: [listen1, listen2], run = '' }: Suite) {
  const options = ['--listen1', listen1, '--listen2', listen2, '--run', run, '--tap'];
  const whom = version === 'discv4' ? ['--remote', remote] : [remote];
  return start(toolPath('devp2p-v1.17.5/devp2p'), [version, 'test', ...options, ...whom], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}

/** Runs tests of the tool, which ends with a status of 1 where one of them fails. */
export async function runSuite(suite: Suite): Promise<Results> {
  const tool = run(suite);
  const output: Buffer[] = [];
  tool.stdout?.on('data', (chunk: Buffer) => output.push(chunk));
  await once(tool, 'close');
  const text = Buffer.concat(output).toString();
  const results = [...text.matchAll(/^(ok|not ok) \d+ (\S+)$/gm)];
  const planned = Number(/^1\.\.(\d+)$/m.exec(text)?.[1]);
  if (planned !== results.length) throw new Error(`devp2p ended before its tests did:\n${text}`);
  return {
    names: results.map(([, , name = '']) => name),
    failed: results.flatMap(([, status, name = '']) => (status === 'ok' ? [] : [name])),
    text,
  };
}
