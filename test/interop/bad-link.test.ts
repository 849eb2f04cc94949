/** Two servers of ours on both ends of a line that delays, loses and reorders, and is cut. Needs root, for namespaces. */
import { accessSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { start, stop } from './child.ts';
import { JsonProgram } from './json-program.ts';

const [DELAY_MS, LOSS_PERCENT, REORDER_PERCENT] = [100, 5, 20];
const CUT_MS = 10_000;
/** Longer than a peer may leave a Ping unanswered, which is sent after 15 s: another 15 s. */
const LONG_CUT_MS = 40_000;
/** A static node is dialed every 35 s while it is away, and a dial takes up to 15 s. */
const RETURN_MS = 90_000;
const HEADERS = 192;
const REQUESTS = 10;

interface Report {
  readonly event: 'ready' | 'met' | 'lost';
  readonly enode?: string;
  /** Of the error that ended the peer. */
  readonly name?: string;
  readonly code?: string;
}

type Node = JsonProgram<Report, { readonly numbers?: readonly number[] }>;

function canMakeNamespaces(): boolean {
  try {
    accessSync('/dev/net/tun');
    return process.getuid?.() === 0;
  } catch {
    return false;
  }
}

const seed = Math.floor(Math.random() * 2 ** 31);
const names = ['a', 'b'].map((end) => `peerlane-${process.pid}-${end}`);
const file = (name: string) => fileURLToPath(new URL(`./${name}`, import.meta.url));

let line: ReturnType<typeof start>;
const nodes: Node[] = [];

async function node(end: number, ...staticNodes: string[]): Promise<{ node: Node; enode: string }> {
  const command = [process.execPath, file('link-node.js'), `10.99.0.${end + 1}`, ...staticNodes];
  const node: Node = new JsonProgram('ip', ['netns', 'exec', names[end] ?? '', ...command]);
  nodes.push(node);
  const { enode = '' } = await node.next('start', ({ event }) => event === 'ready');
  return { node, enode };
}

const order = (word: 'cut' | 'mend') => void line.stdin?.write(`${word}\n`);

const met = (node: Node) => node.next('peer', ({ event }) => event === 'met', AbortSignal.timeout(RETURN_MS));

/** How the peer ended at a node, which is by an error of ours. */
async function lostBy(node: Node): Promise<string | undefined> {
  const { name, code } = await node.next(
    'end of the peer',
    ({ event }) => event === 'lost',
    AbortSignal.timeout(RETURN_MS),
  );
  expect(name).toBe('PeerlaneError');
  return code;
}

async function headers(node: Node): Promise<readonly number[]> {
  return (await node.command({ cmd: 'headers', args: { limit: HEADERS } })).numbers ?? [];
}

const wanted = Array.from({ length: HEADERS }, (_, i) => i + 1);

/** How a session may end that a line ended, and what a request may get while the line is bad. */
const ENDS = ['ping-timeout', 'read-timeout', 'write-timeout'];
const REFUSALS = ['request-timeout', 'remote-disconnect', 'network-error', ...ENDS];

/** Asks until the peer, which may have to come back first, has answered; between them only refusals that are expected. */
async function answered(node: Node): Promise<readonly number[]> {
  const patience = AbortSignal.timeout(RETURN_MS);
  while (true) {
    try {
      return await headers(node);
    } catch (error) {
      patience.throwIfAborted();
      expect(`${error}`).toMatch(new RegExp(`no peer|${REFUSALS.join('|')}`));
      await pause(1000);
    }
  }
}

describe.skipIf(!canMakeNamespaces())(
  `a line of ${DELAY_MS} ms that loses ${LOSS_PERCENT} % and reorders ${REORDER_PERCENT} %, seed ${seed}`,
  () => {
    beforeEach(async () => {
      const how = [DELAY_MS, LOSS_PERCENT, REORDER_PERCENT, seed].map(String);
      line = start('python3', [file('link-lab.py'), ...names, ...how], {
        stdio: ['pipe', 'pipe', 'inherit'],
      });
      await new Promise<void>((resolve, reject) => {
        line.stdout?.once('data', () => resolve());
        line.once('exit', (code) => reject(new Error(`there is no line: ${code}`)));
      });
    });
    afterEach(async () => {
      await Promise.all(nodes.splice(0).map((each) => each[Symbol.asyncDispose]()));
      line.stdin?.end();
      await stop(line, undefined, 5000);
    });

    it('carries eth both ways; a session that a cut ends has a reason at both ends, and comes back', async () => {
      const far = await node(1);
      const near = await node(0, far.enode);
      await Promise.all([met(near.node), met(far.node)]);
      for (let i = 0; i < REQUESTS; i++) {
        const [there, back] = await Promise.all([headers(near.node), headers(far.node)]);
        expect(there).toEqual(wanted);
        expect(back).toEqual(wanted);
      }

      // Where the kernel sends again in time the session lives; where it does not, it has ended with a reason.
      order('cut');
      const asked = Promise.all([answered(near.node), answered(far.node)]);
      await pause(CUT_MS);
      order('mend');
      expect(await asked).toEqual([wanted, wanted]);

      order('cut');
      const ended = Promise.all([lostBy(near.node), lostBy(far.node)]);
      await pause(LONG_CUT_MS);
      for (const code of await ended) expect(ENDS).toContain(code);
      order('mend');
      expect(await Promise.all([answered(near.node), answered(far.node)])).toEqual([wanted, wanted]);
    }, 240_000);
  },
);
