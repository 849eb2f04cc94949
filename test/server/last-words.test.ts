import { expect, it } from 'vitest';
import { PeerlaneError } from '../../src/base/errors.ts';
import type { Protocol } from '../../src/p2p/index.ts';
import { endOf, isKind, manual, startedServer } from '../support/servers.ts';

it('a breach in the last words of a peer that has left counts, once', async () => {
  const protocol: Protocol = {
    name: 'echo',
    version: 1,
    length: 16,
    async handler(channel) {
      await endOf(channel);
      for await (const { code } of channel) throw new PeerlaneError('message-invalid', `code ${code}`);
    },
  };
  const server = await startedServer({ protocols: [protocol] });
  const { protocol: speaking, next } = manual();
  const leaving = await startedServer({ protocols: [speaking] });
  await leaving.dial(server.enode);
  const channel = await next();
  await channel.send(1, Uint8Array.of(0xc0));
  channel.disconnect(new PeerlaneError('disconnect-requested', ''));
  await server.until(isKind('handler-failed'));
  expect(server.seen.filter(isKind('peer-disconnected'))).toMatchObject([
    { error: { code: 'remote-disconnect' } },
  ]);
  expect(server.reputation(leaving.enode).recent).toMatchObject([{ kind: 'breach' }]);
});
