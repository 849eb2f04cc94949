import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { toBareHex } from '../../src/base/bytes.ts';
import { systemEnv } from '../../src/base/env.ts';
import { PeerlaneError } from '../../src/base/errors.ts';
import { type ConductEvent, reportConduct } from '../../src/cli/conduct-events.ts';
import { Output } from '../../src/cli/output.ts';
import { generateSecretKey, publicKeyOf } from '../../src/crypto/index.ts';
import { nodeIdOf } from '../../src/enr/index.ts';
import { NodeDatabase } from '../../src/server/index.ts';
import { Cli, eventsOf, temporaryDirectory } from './cli.ts';
import { SMALL, SMALL_GENESIS_FILE, serveSmall } from './served-chain.ts';

function said(event: ConductEvent, json: boolean): string {
  let text = '';
  const stdout = new PassThrough().on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  reportConduct(new Output(json, systemEnv, { stdout, stderr: new PassThrough() }), event);
  return text;
}

describe('of nodes that behave badly is said', () => {
  const reason = '3 breach';
  it.each<[ConductEvent, object | undefined, string]>([
    [
      { kind: 'reputation', node: 'ab', decision: { kind: 'ban', forMs: 3_600_000, reason } },
      { event: 'reputation', node: 'ab', decision: 'ban', reason, forMs: 3_600_000 },
      'ab is banned for 1 h 0 min: 3 breach\n',
    ],
    [
      { kind: 'reputation', node: '9.9.9.9', decision: { kind: 'disconnect', reason } },
      { event: 'reputation', node: '9.9.9.9', decision: 'disconnect', reason },
      '9.9.9.9 is disconnected: 3 breach\n',
    ],
    [{ kind: 'reputation', node: 'ab', decision: { kind: 'penalise', forMs: 1, reason } }, undefined, ''],
    [
      { kind: 'bans-failed', error: new PeerlaneError('store-damaged', 'some') },
      { event: 'bans-failed', code: 'store-damaged', message: 'some' },
      'warning: bans were lost, or are not kept: some (store-damaged)\n',
    ],
  ])('%j', (event, fields, text) => {
    expect(said(event, false)).toBe(text);
    expect(eventsOf(said(event, true))).toEqual(fields === undefined ? [] : [fields]);
  });

  it.each(['serve', 'sync'])('by %s, that bans of an earlier run are damaged', async (command) => {
    const directory = await temporaryDirectory();
    const [nodedb, keyFile, store] = ['nodes', 'key', 'store'].map((name) => join(directory, name));
    const key = generateSecretKey(systemEnv);
    await writeFile(keyFile ?? '', toBareHex(key));
    const database = await NodeDatabase.open(nodedb ?? '');
    await database.storeLocalBans(nodeIdOf(publicKeyOf(key)), Uint8Array.of(0, 9, 1));
    await database.close();
    const { enode } = await serveSmall();
    const own =
      command === 'serve'
        ? ['--chain', SMALL, '--listen', '127.0.0.1:0']
        : ['--genesis', SMALL_GENESIS_FILE, '--peer', enode];
    const shared = ['--key', keyFile ?? '', '--nodedb', nodedb ?? '', '--store', store ?? '', '--json'];
    const cli = new Cli([command, ...own, ...shared]);
    expect(await cli.event(({ event }) => event === 'bans-failed')).toMatchObject({ code: 'store-damaged' });
  });
});
