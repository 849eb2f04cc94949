import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type KvChange, MemoryKv } from '../../../src/base/kv.ts';
import { VirtualEnv } from '../../../src/base/virtual-env.ts';
import { NodeDatabase } from '../../../src/server/node-db/index.ts';
import { runs } from '../../support/runs.ts';
import { endpointOf, idOf, numberOf, START } from './nodes.ts';

/** A store that takes its time, and fails when told to: before it has written anything. */
class SlowKv extends MemoryKv {
  isFailing = false;

  override async getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    await turns(2);
    const values = await super.getMany(keys);
    await turns(2);
    return values;
  }

  override async batch(changes: readonly KvChange[]): Promise<void> {
    await turns(2);
    if (this.isFailing) throw new Error('the disk is gone');
    await super.batch(changes);
    await turns(2);
  }

  async copy(): Promise<MemoryKv> {
    const copy = new MemoryKv();
    for await (const entries of this.scan(100)) await copy.batch(entries);
    return copy;
  }
}

async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await Promise.resolve();
}

async function contentsOf(database: NodeDatabase): Promise<Map<number, [string | undefined, number]>> {
  const contents = new Map<number, [string | undefined, number]>();
  for await (const { publicKey, client, failures } of database.nodes()) {
    contents.set(numberOf(publicKey), [client, failures]);
  }
  return new Map([...contents].sort(([a], [b]) => a - b));
}

/** Few, so that commands meet. */
const number = fc.nat(1);
const command = fc.oneof(
  { weight: 4, arbitrary: fc.tuple(fc.constant('tell' as const), number) },
  { weight: 1, arbitrary: fc.tuple(fc.constant('fail' as const), number) },
  { weight: 3, arbitrary: fc.tuple(fc.constant('remove' as const), number) },
  { weight: 1, arbitrary: fc.tuple(fc.constant('flush' as const), fc.constant(0)) },
  { weight: 3, arbitrary: fc.tuple(fc.constant('turns' as const), fc.nat(12)) },
  { weight: 1, arbitrary: fc.tuple(fc.constant('settle' as const), fc.constant(0)) },
  { weight: 1, arbitrary: fc.tuple(fc.constant('break' as const), fc.constant(0)) },
  { weight: 1, arbitrary: fc.tuple(fc.constant('repair' as const), fc.constant(0)) },
  { weight: 2, arbitrary: fc.tuple(fc.constant('look' as const), number) },
);

describe('a node database whose disk is slow or fails', () => {
  it('says at any time what it was told last, and its disk says the same in the end', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(command, { minLength: 5, maxLength: 60 }), async (commands) => {
        const kv = new SlowKv();
        const env = new VirtualEnv({ now: START });
        const database = await NodeDatabase.over(kv, { env });
        const model = new Map<number, [string | undefined, number]>();
        const looks: Promise<void>[] = [];
        for (const [step, [name, value]] of commands.entries()) {
          const id = idOf(value);
          const known = model.get(value);
          if (name === 'tell') {
            const client = `client ${step}`;
            database.update(id, { endpoint: endpointOf(value), client });
            model.set(value, [client, known?.[1] ?? 0]);
          } else if (name === 'fail') {
            expect(database.update(id, { failed: true })).toBe(known !== undefined);
            if (known !== undefined) model.set(value, [known[0], known[1] + 1]);
          } else if (name === 'remove') {
            expect(database.remove(id)).toBe(model.delete(value));
          } else if (name === 'flush') {
            database.flush().catch(() => undefined);
          } else if (name === 'settle') {
            await database.flush().catch(() => undefined);
          } else if (name === 'turns') {
            await turns(value);
          } else if (name === 'look') {
            // While it waits for the disk, later commands may remove the node: then it is gone, or what it was.
            looks.push(
              database.get(id).then((node) => {
                if (known === undefined) expect(node).toBeUndefined();
                else if (node !== undefined) expect(node.client).toMatch(/^client /);
              }),
            );
          } else {
            kv.isFailing = name === 'break';
          }
          expect(database.size).toBe(model.size);
        }
        await Promise.all(looks);
        const expected = new Map([...model].sort(([a], [b]) => a - b));
        expect(await contentsOf(database)).toEqual(expected);
        kv.isFailing = false;
        await database.flush();
        expect(await contentsOf(database)).toEqual(expected);
        const again = await NodeDatabase.over(await kv.copy(), { env });
        expect(await contentsOf(again)).toEqual(expected);
      }),
      { numRuns: runs(300) },
    );
  });
});
