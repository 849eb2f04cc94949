import { expect, it } from 'vitest';
import { Agenda } from '../../src/base/agenda.ts';
import type { RequestFailure } from '../../src/discv4/index.ts';
import { nodeIdOf } from '../../src/enr/index.ts';
import { type KadNode, kadNode } from '../../src/kad/index.ts';
import { LookupRun, type LookupRunContext } from '../../src/kad/lookup-run.ts';

const node = kadNode({ publicKey: new Uint8Array(64).fill(7), ip: '9.9.9.9', udpPort: 1, tcpPort: 1 });

/** What the table is told of a node that is asked twice, and what the lookup finds, with these answers. */
function told(...answers: readonly (readonly KadNode[] | string | undefined)[]) {
  const tracked: boolean[] = [];
  const left = [...answers];
  const context: LookupRunContext = {
    agenda: new Agenda(),
    localId: new Uint8Array(32).fill(1),
    idOf: nodeIdOf,
    table: {
      closest: () => [node],
      addFound: () => 'refused',
      trackRequest: (_, success) => void tracked.push(success),
    },
    requests: {
      room: { isFull: false, await: () => undefined, forgo: () => undefined },
      findNode: (_node, _target, done) => {
        const answer = left.shift();
        if (Array.isArray(answer)) done(answer);
        else done(undefined, answer as RequestFailure | undefined);
      },
    },
  };
  const run = new LookupRun(context, new Uint8Array(64).fill(2), {});
  run.advance();
  expect([run.isDone, left]).toEqual([true, []]);
  return { tracked, found: run.result.length };
}

it('a node that has not answered is at fault, one that was not asked for want of a turn is not', () => {
  expect(told([node])).toEqual({ tracked: [true], found: 1 });
  expect(told(undefined, 'unanswered-ping')).toEqual({ tracked: [false, false], found: 0 });
  expect(told([])).toEqual({ tracked: [false], found: 1 });
  for (const failure of ['no-turn', 'withheld-address'] as const)
    expect(told(failure, failure)).toEqual({ tracked: [], found: 0 });
  expect(told('no-turn', [node])).toEqual({ tracked: [true], found: 1 });
});
