import { describe, expect, it } from 'vitest';
import { PeerlaneError } from '../../../src/base/errors.ts';
import { VirtualEnv } from '../../../src/base/virtual-env.ts';
import { type GrantedMapping, MAX_RENEWAL_MS, type WantedMapping } from '../../../src/nat/index.ts';
import type { NatMethod } from '../../../src/server/nat/method.ts';
import { PortMapper, type PortMapperEvent, UNMAP_TIMEOUT_MS } from '../../../src/server/nat/port-mapper.ts';

const GRANTED: GrantedMapping = { externalIp: '1.2.3.4', externalPort: 30_303, lifetime: 600, epoch: 0 };

/** A router that answers what the test says, and keeps what it was asked. */
class FakeRouter implements NatMethod {
  readonly name: NatMethod['name'];
  readonly mapped: WantedMapping[] = [];
  readonly unmapped: WantedMapping[] = [];
  answer: (wanted: WantedMapping) => GrantedMapping | Promise<GrantedMapping>;
  back: (signal: AbortSignal) => Promise<void> = () => Promise.resolve();

  constructor(answer: FakeRouter['answer'] = () => GRANTED, name: NatMethod['name'] = 'pcp') {
    this.answer = answer;
    this.name = name;
  }

  async map(wanted: WantedMapping): Promise<GrantedMapping> {
    this.mapped.push(wanted);
    return this.answer(wanted);
  }

  async unmap(wanted: WantedMapping, signal: AbortSignal): Promise<void> {
    this.unmapped.push(wanted);
    await this.back(signal);
  }
}

/** All that is ready runs. */
async function settle(): Promise<void> {
  for (let i = 0; i < 50; i++) await Promise.resolve();
}

function mapperOf(methods: readonly NatMethod[], ports: { tcp?: number; udp?: number } = { tcp: 30_303 }) {
  const env = new VirtualEnv();
  const events: PortMapperEvent[] = [];
  const mapper = new PortMapper({ env, ports, methods, onEvent: (event) => events.push(event) });
  mapper.start();
  const pass = async (ms: number): Promise<void> => {
    env.advance(ms);
    await settle();
  };
  return { env, events, mapper, pass };
}

const failing = (code: PeerlaneError['code']) => (): never => {
  throw new PeerlaneError(code, code);
};
const kinds = (events: readonly PortMapperEvent[]): string[] => events.map(({ kind }) => kind);

describe('a port mapper', () => {
  it('maps both ports, and says so once', async () => {
    const router = new FakeRouter((wanted) => ({ ...GRANTED, externalPort: wanted.externalPort + 1 }));
    const { events, mapper, pass } = mapperOf([router], { tcp: 1, udp: 2 });
    await settle();
    expect(events).toEqual([
      { kind: 'mapped', protocol: 'tcp', ip: '1.2.3.4', port: 2, method: 'pcp' },
      { kind: 'mapped', protocol: 'udp', ip: '1.2.3.4', port: 3, method: 'pcp' },
    ]);
    router.answer = (wanted) => ({ ...GRANTED, externalPort: wanted.externalPort, epoch: 120 });
    await pass(MAX_RENEWAL_MS);
    expect(router.mapped).toHaveLength(4);
    // The same port as before is asked for, by the same nonce.
    expect(router.mapped[2]).toEqual({ ...router.mapped[0], externalPort: 2 });
    expect(events).toHaveLength(2);
    expect(mapper.external('tcp')).toEqual({ ip: '1.2.3.4', port: 2, method: 'pcp' });
  });

  it('renews a short lease when half of it is over', async () => {
    const router = new FakeRouter(() => ({ ...GRANTED, lifetime: 60, epoch: undefined }));
    const { pass } = mapperOf([router]);
    await settle();
    await pass(29_999);
    expect(router.mapped).toHaveLength(1);
    await pass(1);
    expect(router.mapped).toHaveLength(2);
  });

  it('notices that the external address has changed', async () => {
    const router = new FakeRouter();
    const { events, pass } = mapperOf([router]);
    await settle();
    router.answer = () => ({ ...GRANTED, externalIp: '5.6.7.8', epoch: 120 });
    await pass(MAX_RENEWAL_MS);
    expect(events.at(-1)).toMatchObject({ kind: 'mapped', ip: '5.6.7.8' });
  });

  it('looks after all ports at once when one finds that the router has restarted', async () => {
    const router = new FakeRouter(({ protocol }) =>
      protocol === 'tcp' ? { ...GRANTED, lifetime: 20, epoch: 500 } : { ...GRANTED, epoch: undefined },
    );
    const { pass } = mapperOf([router], { tcp: 1, udp: 2 });
    await settle();
    router.answer = ({ protocol }) => ({
      ...GRANTED,
      lifetime: 20,
      epoch: protocol === 'tcp' ? 3 : undefined,
    });
    await pass(10_000);
    expect(router.mapped.map(({ protocol }) => protocol)).toEqual(['tcp', 'udp', 'tcp', 'udp']);
  });

  it('keeps a mapping while its lease lasts, tries again before, and tells when it is over', async () => {
    const router = new FakeRouter(() => ({ ...GRANTED, lifetime: 20 }));
    const { events, mapper, pass } = mapperOf([router]);
    await settle();
    router.answer = failing('nat-no-router');
    await pass(10_000);
    expect(kinds(events)).toEqual(['mapped', 'nat-failed']);
    expect(events[1]).toMatchObject({ retryInMs: 5_000 });
    expect(mapper.external('tcp')).toBeDefined();
    for (let i = 0; i < 20; i++) await pass(1_000);
    expect(kinds(events)).toContain('unmapped');
    expect(mapper.external('tcp')).toBeUndefined();
    router.answer = () => GRANTED;
    await pass(60_000);
    expect(kinds(events).at(-1)).toBe('mapped');
  });

  it.each(['nat-carrier-grade', 'nat-lie'] as const)('gives a mapping up at once on %s', async (code) => {
    const router = new FakeRouter();
    const { events, pass } = mapperOf([router]);
    await settle();
    router.answer = failing(code);
    await pass(MAX_RENEWAL_MS);
    expect(kinds(events)).toEqual(['mapped', 'unmapped', 'nat-failed']);
  });

  it('tries one way after the other, and says the error that tells most', async () => {
    const [first, second] = [
      new FakeRouter(failing('nat-refused')),
      new FakeRouter(failing('nat-no-router'), 'upnp'),
    ];
    const { events, pass } = mapperOf([first, second]);
    await settle();
    expect(events).toMatchObject([{ kind: 'nat-failed', error: { code: 'nat-refused' }, retryInMs: 5_000 }]);
    second.answer = () => GRANTED;
    await pass(5_000);
    expect(events.at(-1)).toMatchObject({ kind: 'mapped', method: 'upnp' });
  });

  it('takes its mappings back at the end', async () => {
    const router = new FakeRouter();
    const { events, mapper, env } = mapperOf([router]);
    await settle();
    await mapper.close();
    await mapper.close();
    expect(router.unmapped).toEqual([router.mapped[0]]);
    expect(kinds(events)).toEqual(['mapped', 'unmapped']);
    expect(env.timers).toBe(0);
  });

  it('does not wait at the end for a router that does not answer', async () => {
    const router = new FakeRouter();
    router.back = (signal) =>
      new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
    const { mapper, pass } = mapperOf([router]);
    await settle();
    const closed = mapper.close();
    await settle();
    await pass(UNMAP_TIMEOUT_MS);
    await closed;
    expect(router.unmapped).toHaveLength(1);
  });

  it('asks nobody at the end when nothing was mapped', async () => {
    const router = new FakeRouter(failing('nat-no-router'));
    const { mapper } = mapperOf([router]);
    await settle();
    await mapper.close();
    expect(router.unmapped).toEqual([]);
  });
});
