import { expect, it } from 'vitest';
import { gatewayIn, localAddressTo } from '../../src/io/gateway.ts';

it('the address that packets go from is told, and that there is no way', async () => {
  expect(await localAddressTo('127.0.0.2')).toMatch(/^127\./);
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
