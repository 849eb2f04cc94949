import { describe, expect, it } from 'vitest';
import { PeerlaneError } from '../../../src/base/errors.ts';
import { VirtualEnv } from '../../../src/base/virtual-env.ts';
import {
  type Announcement,
  FIRST_RETRY_MS,
  type GrantedMapping,
  LEASE,
  MAX_RENEWAL_MS,
  MIN_RENEWAL_MS,
  MIN_RESTART_MS,
  type WantedMapping,
} from '../../../src/nat/index.ts';
import type { PortMapperEvent } from '../../../src/server/nat/mapped-port.ts';
import type { NatMethod } from '../../../src/server/nat/method.ts';
import {
  ANNOUNCED_INTERVAL_MS,
  MAX_ANNOUNCED_MS,
  PortMapper,
  UNMAP_TIMEOUT_MS,
} from '../../../src/server/nat/port-mapper.ts';

const GRANTED: GrantedMapping = { externalIp: '1.2.3.4', externalPort: 30_303, lifetime: 600, epoch: 0 };

/** A router that answers what the test says, and keeps what it was asked. */
class FakeRouter implements NatMethod {
  readonly name: NatMethod['name'];
  readonly mapped: WantedMapping[] = [];
  readonly unmapped: WantedMapping[] = [];
  readonly withdrawn: WantedMapping[] = [];
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

  async withdraw(wanted: WantedMapping, signal: AbortSignal): Promise<void> {
    this.withdrawn.push(wanted);
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
  /** Closes it, with a router that does not answer. */
  const closeInVain = async (): Promise<void> => {
    const closed = mapper.close();
    await settle();
    await pass(UNMAP_TIMEOUT_MS);
    await closed;
  };
  return { env, events, mapper, pass, closeInVain };
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

  it('does not ask the more often the more a router says that it has restarted', async () => {
    let restarts = 0;
    const router = new FakeRouter(async ({ protocol }) => {
      // The other port has come to wait meanwhile.
      for (let i = 0; i < (protocol === 'tcp' ? 5 : 20); i++) await Promise.resolve();
      const granted = { ...GRANTED, lifetime: 1, epoch: 1_000_003 * ++restarts };
      return restarts > 10_000 ? new Promise(() => undefined) : granted;
    });
    const { pass } = mapperOf([router], { tcp: 1, udp: 2 });
    await settle();
    const periods = 5;
    for (let ms = 0; ms < periods * MIN_RESTART_MS; ms += MIN_RENEWAL_MS / 2) await pass(MIN_RENEWAL_MS / 2);
    // Each port by itself, and once for each restart that is believed.
    const renewals = (periods * MIN_RESTART_MS) / MIN_RENEWAL_MS;
    expect(router.mapped.length).toBeGreaterThan(renewals);
    expect(router.mapped.length).toBeLessThanOrEqual(2 * (1 + renewals + periods));
  });

  it.each([Number.POSITIVE_INFINITY, 2 ** 32 - 1])(
    'gives a mapping of %d s up when it cannot be renewed for long, takes it back, and tries the other ways',
    async (lifetime) => {
      const [other, router] = [
        new FakeRouter(failing('nat-no-router')),
        new FakeRouter(() => ({ ...GRANTED, lifetime, epoch: undefined }), 'upnp'),
      ];
      const { events, mapper, pass } = mapperOf([other, router]);
      await settle();
      router.answer = failing('nat-no-router');
      other.answer = () => ({ ...GRANTED, externalIp: '5.6.7.8' });
      for (let s = 0; s < LEASE - 1; s++) await pass(1_000);
      expect(mapper.external('tcp')?.method).toBe('upnp');
      for (let s = 0; s < LEASE; s++) await pass(1_000);
      expect(mapper.external('tcp')).toEqual({ ip: '5.6.7.8', port: 30_303, method: 'pcp' });
      expect(router.unmapped.map(({ externalPort }) => externalPort)).toEqual([30_303]);
      expect(kinds(events).filter((kind) => kind !== 'nat-failed')).toEqual(['mapped', 'unmapped', 'mapped']);
    },
  );

  it('does not wait at the end for a method that never answers at all', async () => {
    const router = new FakeRouter(() => new Promise(() => undefined));
    router.back = () => new Promise(() => undefined);
    const { env, closeInVain } = mapperOf([router]);
    await settle();
    await closeInVain();
    expect(env.timers).toBe(0);
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

  it('says so when a renewal that had failed works', async () => {
    const router = new FakeRouter(() => ({ ...GRANTED, epoch: undefined }));
    const { events, pass } = mapperOf([router]);
    await settle();
    const { answer } = router;
    router.answer = failing('nat-no-router');
    await pass(MAX_RENEWAL_MS);
    router.answer = answer;
    await pass(FIRST_RETRY_MS);
    expect(kinds(events)).toEqual(['mapped', 'nat-failed', 'mapped']);
    expect(events[2]).toEqual(events[0]);
    await pass(MAX_RENEWAL_MS);
    expect(router.mapped).toHaveLength(4);
    expect(events).toHaveLength(3);
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

  it.each<[string, Announcement, number, boolean]>([
    ['that its clock goes on', { epoch: 60, externalIp: undefined }, 60_000, false],
    ['that it has begun anew', { epoch: 0, externalIp: undefined }, 60_000, true],
    ['that it has begun anew a while ago', { epoch: 30, externalIp: undefined }, 60_000, true],
    ['the same address', { epoch: 60, externalIp: '1.2.3.4' }, 60_000, false],
    ['another address', { epoch: 60, externalIp: '5.6.7.8' }, 60_000, true],
  ])(
    'asks again in a moment when the router tells all hosts %s, or does not',
    async (_, told, afterMs, asks) => {
      const router = new FakeRouter();
      const { mapper, pass } = mapperOf([router]);
      await settle();
      await pass(afterMs);
      mapper.announced(told);
      await pass(MAX_ANNOUNCED_MS);
      expect(router.mapped).toHaveLength(asks ? 2 : 1);
    },
  );

  it('asks no more often than once in a while, whoever tells', async () => {
    const router = new FakeRouter();
    const { mapper, pass } = mapperOf([router], { tcp: 1, udp: 2 });
    await settle();
    await pass(60_000);
    for (let ms = 0; ms < 4 * ANNOUNCED_INTERVAL_MS; ms += 100) {
      // The answers go on to say that nothing was lost.
      router.answer = () => ({ ...GRANTED, epoch: 60 + Math.round(ms / 1_000) });
      mapper.announced({ epoch: 0, externalIp: undefined });
      await pass(100);
    }
    expect(router.mapped).toHaveLength(2 + 4 * 2);
  });

  it.each([
    [10, 1],
    [0, 2],
  ])(
    'knows of a mapping by UPnP that is 10 s old whether the router began %i s ago',
    async (epoch, asked) => {
      const router = new FakeRouter(() => ({ ...GRANTED, epoch: undefined }), 'upnp');
      const { mapper, pass } = mapperOf([router]);
      await settle();
      await pass(10_000);
      mapper.announced({ epoch, externalIp: undefined });
      await pass(MAX_ANNOUNCED_MS);
      expect(router.mapped).toHaveLength(asked);
    },
  );

  it('tries again at once when a router begins that gave nothing so far', async () => {
    const router = new FakeRouter(failing('nat-no-router'));
    const { events, mapper, pass } = mapperOf([router]);
    await settle();
    router.answer = () => GRANTED;
    mapper.announced({ epoch: 0, externalIp: undefined });
    await pass(MAX_ANNOUNCED_MS);
    expect(kinds(events)).toEqual(['nat-failed', 'mapped']);
    await mapper.close();
    mapper.announced({ epoch: 0, externalIp: undefined });
    await pass(10 * ANNOUNCED_INTERVAL_MS);
    expect(router.mapped).toHaveLength(2);
  });

  it('takes a mapping back that leads nowhere any more: it may have no end', async () => {
    const router = new FakeRouter(() => ({
      ...GRANTED,
      externalPort: 7,
      lifetime: Number.POSITIVE_INFINITY,
    }));
    const { events, env, mapper, pass } = mapperOf([router]);
    await settle();
    router.answer = failing('nat-carrier-grade');
    await pass(MAX_RENEWAL_MS);
    expect(kinds(events)).toEqual(['mapped', 'unmapped', 'nat-failed']);
    expect(router.unmapped).toMatchObject([{ externalPort: 7 }]);
    await mapper.close();
    expect([router.unmapped.length, env.timers]).toEqual([1, 0]);
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
    const { closeInVain } = mapperOf([router]);
    await settle();
    await closeInVain();
    expect(router.unmapped).toHaveLength(1);
  });

  it('has each method take back at the end what it has asked for and heard nothing of', async () => {
    const [first, second] = [
      new FakeRouter(failing('nat-no-router')),
      new FakeRouter(() => new Promise(() => undefined), 'upnp'),
    ];
    const { env, closeInVain } = mapperOf([first, second]);
    await settle();
    second.back = () => new Promise(() => undefined);
    await closeInVain();
    for (const router of [first, second]) {
      expect([router.withdrawn, router.unmapped]).toEqual([router.mapped, []]);
    }
    expect(env.timers).toBe(0);
  });

  it('asks nobody at the end when nothing was mapped', async () => {
    const router = new FakeRouter(failing('nat-no-router'));
    const { mapper } = mapperOf([router]);
    await settle();
    await mapper.close();
    expect(router.unmapped).toEqual([]);
  });
});
