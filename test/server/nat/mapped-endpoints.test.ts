import { expect, it } from 'vitest';
import { EVERY_IP, EVERY_IPV4 } from '../../../src/server/listen-host.ts';
import type { LocalEndpoints } from '../../../src/server/local-node.ts';
import type { ExternalEndpoint } from '../../../src/server/nat/mapped-port.ts';
import { mappedEndpoints } from '../../../src/server/nat/node-nat.ts';

const OWN: LocalEndpoints = { host: EVERY_IPV4, tcp: 1, udp: 2 };
const at = (port: number, method: ExternalEndpoint['method'] = 'pcp', ip = '8.8.8.8'): ExternalEndpoint => ({
  ip,
  port,
  method,
});

const SIX = '2a01::1';
const BOTH = { ...OWN, host: EVERY_IP };
const EACH = { ...OWN, beside: { host: SIX, tcp: 3, udp: 4 } };

it.each<[string, Parameters<typeof mappedEndpoints>, LocalEndpoints]>([
  ['nothing is mapped', [OWN, {}, {}], OWN],
  [
    'both ports are mapped',
    [OWN, { tcp: at(11), udp: at(12) }, {}],
    { host: '8.8.8.8', tcp: 11, udp: 12, known: 'endpoint' },
  ],
  ['TCP alone is mapped', [OWN, { tcp: at(11) }, {}], { host: '8.8.8.8', tcp: 11, udp: 2, known: 'address' }],
  [
    'UDP alone is mapped',
    [OWN, { udp: at(12) }, {}],
    { host: '8.8.8.8', tcp: 1, udp: 12, known: 'endpoint' },
  ],
  [
    'UDP is mapped elsewhere',
    [OWN, { tcp: at(11), udp: at(12, 'pcp', '8.8.4.4') }, {}],
    { host: '8.8.8.8', tcp: 11, udp: 2, known: 'address' },
  ],
  [
    'STUN has told the address',
    [OWN, { tcp: at(1, 'stun'), udp: at(2, 'stun') }, {}],
    { host: '8.8.8.8', tcp: 1, udp: 2, known: 'address' },
  ],
  [
    'the node has IPv6 beside',
    [BOTH, { tcp: at(11), udp: at(12) }, {}],
    { host: '8.8.8.8', tcp: 11, udp: 12, known: 'endpoint', beside: { tcp: 1, udp: 2 } },
  ],
  [
    'it is let in by IPv6, too',
    [BOTH, { tcp: at(11), udp: at(12) }, { tcp: at(1, 'pcp', SIX), udp: at(2, 'pcp', SIX) }],
    {
      ...{ host: '8.8.8.8', tcp: 11, udp: 12, known: 'endpoint' },
      beside: { host: SIX, tcp: 1, udp: 2, known: 'endpoint' },
    },
  ],
  [
    'it is let in by IPv6 alone',
    [BOTH, {}, { tcp: at(1, 'pcp', SIX), udp: at(2, 'pcp', SIX) }],
    { host: SIX, tcp: 1, udp: 2, known: 'endpoint', beside: { tcp: 1, udp: 2 } },
  ],
  [
    'it listens on IPv6 alone',
    [{ ...OWN, host: SIX }, {}, { tcp: at(1, 'pcp', SIX) }],
    { host: SIX, tcp: 1, udp: 2, known: 'address' },
  ],
  [
    'it listens at an address of each, and has the ports of IPv4 mapped',
    [EACH, { tcp: at(11), udp: at(12) }, {}],
    { host: '8.8.8.8', tcp: 11, udp: 12, known: 'endpoint', beside: EACH.beside },
  ],
  [
    'it listens at an address of each, and is let in by IPv6',
    [EACH, {}, { tcp: at(3, 'pcp', SIX), udp: at(4, 'pcp', SIX) }],
    { ...EACH, beside: { host: SIX, tcp: 3, udp: 4, known: 'endpoint' } },
  ],
  [
    'it listens at an address of each, and has TCP mapped and is let in by TCP',
    [EACH, { tcp: at(11) }, { tcp: at(3, 'pcp', SIX) }],
    {
      ...{ host: '8.8.8.8', tcp: 11, udp: 2, known: 'address' },
      beside: { host: SIX, tcp: 3, udp: 4, known: 'address' },
    },
  ],
])('when %s, the record follows', (_, [own, four, six], endpoints) => {
  expect(mappedEndpoints(own, four, six)).toEqual(endpoints);
});
