/** A STUN server on loopback that sees everybody at 1.2.3.4. */
import { expect, it, onTestFinished } from 'vitest';
import { concatBytes } from '../../../src/base/bytes.ts';
import { systemEnv } from '../../../src/base/env.ts';
import { bindUdp } from '../../../src/io/udp.ts';
import { EVERY_IP, EVERY_IPV4 } from '../../../src/server/listen-host.ts';
import { StunMethod } from '../../../src/server/nat/stun.ts';
import { rejectionOf } from '../../support/errors.ts';
import { WANTED } from '../../support/wanted-mapping.ts';

const HERE = '127.0.0.1';
const never = new AbortController().signal;

// MAPPED-ADDRESS: IPv4, port 5, 1.2.3.4; and one of IPv6.
const SEEN = Uint8Array.of(0, 1, 0, 8, 0, 1, 0, 5, 1, 2, 3, 4);
const SEEN_IPV6 = Uint8Array.of(0, 1, 0, 20, 0, 2, 0, 5, 0x2a, 1, ...new Uint8Array(13), 1);

async function stunFor(
  listenHost: string,
  attribute = SEEN,
): Promise<{ method: StunMethod; asked: () => number }> {
  let asked = 0;
  const server = await bindUdp(
    { host: HERE, port: 0 },
    {
      message: (request, ip, port) => {
        asked++;
        const head = Uint8Array.of(1, 1, 0, attribute.length);
        server.send(concatBytes(head, request.subarray(4, 20), attribute), ip, port);
      },
      failed: () => undefined,
    },
  );
  onTestFinished(() => server.close());
  const method = new StunMethod({ env: systemEnv, server: { host: HERE, port: server.port }, listenHost });
  return { method, asked: () => asked };
}

it.each([EVERY_IPV4, EVERY_IP, HERE])('a node that listens on %s is told where it is seen', async (host) => {
  const { method } = await stunFor(host);
  expect(await method.map(WANTED, never)).toMatchObject({ externalIp: '1.2.3.4', externalPort: 30_303 });
});

it.each(['127.0.0.9', '::1'])('a node that listens on %s alone is not reached there', async (host) => {
  const { method, asked } = await stunFor(host);
  expect(await rejectionOf(method.map(WANTED, never))).toBe('nat-no-router');
  expect(asked()).toBe(0);
});

it('an address of IPv6 is not believed, as it is of no use to what is mapped', async () => {
  const { method } = await stunFor(HERE, SEEN_IPV6);
  expect(await rejectionOf(method.map(WANTED, never))).toBe('nat-lie');
});
