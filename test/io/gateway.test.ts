import { expect, it } from 'vitest';
import { gatewayIn, ipv6GatewayIn, localAddressTo } from '../../src/io/gateway.ts';

it('the address that packets go from is told, and that there is no way', async () => {
  expect(await localAddressTo('127.0.0.2')).toMatch(/^127\./);
  expect(await localAddressTo('::1')).toBe('::1');
  // Nobody may send there without asking for it.
  expect(await localAddressTo('255.255.255.255')).toBeUndefined();
});

it('the default gateway with the best metric is taken', () => {
  const line = (gateway: string, metric: number, mask = '00000000') =>
    `eth0\t00000000\t${gateway}\t0003\t0\t0\t${metric}\t${mask}\t0\t0\t0`;
  const head = 'Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT';
  expect(gatewayIn([head, line('0100000A', 200), line('0163A8C0', 100), ''].join('\n'))).toBe('192.168.99.1');
  expect(gatewayIn([head, line('0100000A', 1, '000000FF')].join('\n'))).toBeUndefined();
});

it('the default gateway by IPv6 with the best metric is taken, with the interface where it is of the link', () => {
  const zeros = '0'.repeat(32);
  const line = (gateway: string, metric: string, { network = zeros, bits = '00', flags = '00000003' } = {}) =>
    `${network} ${bits} ${zeros} 00 ${gateway} ${metric} 00000001 00000000 ${flags}     eth0`;
  const onLink = `fe80${'0'.repeat(27)}1`;
  const global = `2a01${'0'.repeat(27)}1`;
  const table = (...lines: readonly string[]) => [...lines, ''].join('\n');
  expect(ipv6GatewayIn(table(line(global, '00000400'), line(onLink, '0000012c')))).toBe('fe80::1%eth0');
  expect(ipv6GatewayIn(table(line(onLink, '00000400'), line(global, '0000012c')))).toBe('2a01::1');
  for (const other of [{ network: global, bits: '40' }, { bits: '03' }, { flags: '00200200' }]) {
    expect(ipv6GatewayIn(table(line(onLink, '00000001', other)))).toBeUndefined();
  }
  for (const text of ['', 'x', `${zeros} 00`, table(line(onLink.slice(1), '00000001'))]) {
    expect(ipv6GatewayIn(text)).toBeUndefined();
  }
});
