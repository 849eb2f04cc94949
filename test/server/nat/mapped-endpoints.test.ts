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

it.each<[string, Parameters<typeof mappedEndpoints>, LocalEndpoints]>([
  ['nothing is mapped', [OWN, undefined, undefined], OWN],
  ['both are mapped', [OWN, at(11), at(12)], { host: '8.8.8.8', tcp: 11, udp: 12, known: 'endpoint' }],
  ['TCP alone is mapped', [OWN, at(11), undefined], { host: '8.8.8.8', tcp: 11, udp: 2, known: 'address' }],
  ['UDP alone is mapped', [OWN, undefined, at(12)], { host: '8.8.8.8', tcp: 1, udp: 12, known: 'endpoint' }],
  [
    'UDP is mapped elsewhere',
    [OWN, at(11), at(12, 'pcp', '8.8.4.4')],
    { host: '8.8.8.8', tcp: 11, udp: 2, known: 'address' },
  ],
  [
    'STUN has told the address',
    [OWN, at(1, 'stun'), at(2, 'stun')],
    { host: '8.8.8.8', tcp: 1, udp: 2, known: 'address' },
  ],
  [
    'the node has IPv6 beside',
    [{ ...OWN, host: EVERY_IP }, at(11), at(12)],
    { host: '8.8.8.8', tcp: 11, udp: 12, known: 'endpoint', beside: { tcp: 1, udp: 2 } },
  ],
])('when %s, the record follows', (_, [own, tcp, udp], endpoints) => {
  expect(mappedEndpoints(own, tcp, udp)).toEqual(endpoints);
});
