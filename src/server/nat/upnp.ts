import { abortedError, onAbort, throwIfAborted } from '../../base/abort.ts';
import type { Env } from '../../base/env.ts';
import { type PeerlaneError, toPeerlaneError } from '../../base/errors.ts';
import { setLatest } from '../../base/recent.ts';
import {
  encodeAddMapping,
  encodeDeleteMapping,
  encodeGetAddress,
  encodeGetMapping,
  externalIpOf,
  type GrantedMapping,
  isOwnMapping,
  leadsElsewhere,
  type MappedProtocol,
  mostTelling,
  NO_SUCH_MAPPING,
  ONLY_PERMANENT,
  refused,
  type SoapAnswer,
  TAKEN,
  UNSAID,
  type UpnpService,
  type WantedMapping,
} from '../../nat/index.ts';
import type { NatMethod } from './method.ts';
import type { RouterMethodOptions } from './pcp.ts';
import { UpnpRouter, type Way } from './upnp-router.ts';

/** External ports that are tried when others have them. */
const MAX_PORTS = 3;
const FIRST_FREE_PORT = 1_024;
/** Mappings that are kept in mind for a router that does not answer: those that were asked for last. */
const MAX_UNANSWERED = 4;
/** A router that has been asked for a mapping, and does not know it, is asked again after so many milliseconds. */
export const LATE_MS = 500;

type GrantedPort = Pick<GrantedMapping, 'externalPort' | 'lifetime'>;

interface Granted extends Way {
  readonly externalPort: number;
  /** When it ends, by the clock of the node. */
  readonly endsAt: number;
}

interface Unanswered {
  readonly service: UpnpService;
  readonly externalPort: number;
}

export class UpnpMethod implements NatMethod {
  readonly name = 'upnp';
  readonly #env: Env;
  readonly #router: UpnpRouter;
  /** The service that has mapped something last. */
  #last: UpnpService | undefined;
  readonly #granted = new Map<MappedProtocol, Granted>();
  /** What was asked for and of which nothing was heard, the newest last. */
  readonly #unanswered: Readonly<Record<MappedProtocol, Map<string, Unanswered>>> = {
    tcp: new Map(),
    udp: new Map(),
  };

  constructor(options: RouterMethodOptions) {
    this.#env = options.env;
    this.#router = new UpnpRouter(options);
  }

  /** By the first service that has an address outside and maps the port: of several, often one alone has a line. */
  async map(wanted: WantedMapping, signal: AbortSignal): Promise<GrantedMapping> {
    const found = await this.#router.find(signal);
    const errors: PeerlaneError[] = [];
    let withAddress: PeerlaneError | undefined;
    for (const service of inTurn(found.services, this.#last)) {
      const way = { ...found, service };
      let externalIp: string | undefined;
      try {
        const address = await this.#router.call(
          way,
          'GetExternalIPAddress',
          encodeGetAddress(service),
          signal,
        );
        externalIp = externalIpOf(address);
        return { externalIp, ...(await this.#mapBy(way, wanted, signal)), epoch: undefined };
      } catch (error) {
        if (signal.aborted) throw error;
        if (externalIp === undefined) errors.push(toPeerlaneError(error));
        else withAddress ??= toPeerlaneError(error);
      }
    }
    this.#router.forget();
    throw withAddress ?? mostTelling(errors) ?? abortedError(signal);
  }

  async unmap(wanted: WantedMapping, signal: AbortSignal): Promise<void> {
    const { protocol, externalPort } = wanted;
    const granted = this.#granted.get(protocol);
    this.#granted.delete(protocol);
    const found = await this.#router.find(signal);
    const isKnown = granted?.externalPort === externalPort;
    const service = isKnown ? granted.service : (this.#last ?? found.services[0]);
    this.#unanswered[protocol].delete(nameOf(service, externalPort));
    await this.#delete({ ...found, service }, wanted, signal);
  }

  async withdraw(wanted: WantedMapping, signal: AbortSignal): Promise<void> {
    const unanswered = this.#unanswered[wanted.protocol];
    const all = [...unanswered.values()];
    unanswered.clear();
    if (all.length === 0) return;
    const found = await this.#router.find(signal);
    await Promise.allSettled(
      all.map(({ service, externalPort }) =>
        this.#deleteOwn({ ...found, service }, { ...wanted, externalPort }, signal),
      ),
    );
  }

  /** The port may be another host's: a router deletes its mapping for whoever asks. */
  async #deleteOwn(way: Way, wanted: WantedMapping, signal: AbortSignal): Promise<void> {
    const request = encodeGetMapping(way.service, wanted);
    let answer = await this.#router.call(way, 'GetSpecificPortMappingEntry', request, signal);
    if (answer.kind === 'failed' && answer.code === NO_SUCH_MAPPING) {
      // It may be about to make it.
      await wait(this.#env, LATE_MS, signal);
      answer = await this.#router.call(way, 'GetSpecificPortMappingEntry', request, signal);
    }
    if (answer.kind === 'done' && isOwnMapping(answer.mapping, wanted, way.from)) {
      await this.#delete(way, wanted, signal);
    }
  }

  async #delete(way: Way, wanted: WantedMapping, signal: AbortSignal): Promise<void> {
    await this.#router.call(way, 'DeletePortMapping', encodeDeleteMapping(way.service, wanted), signal);
  }

  async #mapBy(way: Way, wanted: WantedMapping, signal: AbortSignal): Promise<GrantedPort> {
    const granted = await this.#add(way, wanted, signal);
    const { host, from, service } = way;
    const endsAt = this.#env.now() + granted.lifetime * 1_000;
    this.#granted.set(wanted.protocol, { host, from, service, externalPort: granted.externalPort, endsAt });
    this.#last = service;
    return granted;
  }

  async #add(way: Way, wanted: WantedMapping, signal: AbortSignal): Promise<GrantedPort> {
    let { externalPort, lifetime } = wanted;
    let ports = 1;
    let isTakenBack = false;
    let isForever = false;
    for (;;) {
      const asked = { ...wanted, externalPort };
      const answer = await this.#ask(way, asked, lifetime, signal);
      if (answer.kind === 'done') return { externalPort, lifetime: lifetime || Number.POSITIVE_INFINITY };
      const { code } = answer;
      const isUnsaid = UNSAID.has(code);
      const mayBeTaken = TAKEN.has(code) || isUnsaid;
      if (mayBeTaken && !isTakenBack && (await this.#isOurs(way, asked, signal))) {
        // Some routers renew nothing: another port each time would leave a mapping behind each time.
        isTakenBack = true;
        await this.#delete(way, asked, signal);
      } else if ((code === ONLY_PERMANENT || isUnsaid) && lifetime > 0) {
        lifetime = 0;
        isForever = code === ONLY_PERMANENT;
      } else if (mayBeTaken && ports < MAX_PORTS) {
        ports++;
        externalPort = randomPort(this.#env);
        // What it has not said it may have meant the port by.
        if (!isForever) ({ lifetime } = wanted);
      } else {
        throw refused(`the router refuses the mapping by UPnP: ${answer.message}`);
      }
    }
  }

  async #ask(way: Way, wanted: WantedMapping, lifetime: number, signal: AbortSignal): Promise<SoapAnswer> {
    const { service, from } = way;
    const { protocol, externalPort } = wanted;
    const unanswered = this.#unanswered[protocol];
    const name = nameOf(service, externalPort);
    setLatest(unanswered, name, { service, externalPort }, MAX_UNANSWERED);
    const request = encodeAddMapping(service, wanted, from, lifetime);
    const answer = await this.#router.call(way, 'AddPortMapping', request, signal);
    unanswered.delete(name);
    return answer;
  }

  /** Whether an external port that is taken was granted to us, and is not another's by now, as far as the router says. */
  async #isOurs(way: Way, wanted: WantedMapping, signal: AbortSignal): Promise<boolean> {
    const granted = this.#granted.get(wanted.protocol);
    if (granted === undefined || this.#env.now() >= granted.endsAt) return false;
    if (granted.externalPort !== wanted.externalPort || granted.host !== way.host) return false;
    if (!isSameService(granted.service, way.service)) return false;
    const request = encodeGetMapping(way.service, wanted);
    const answer = await this.#router.call(way, 'GetSpecificPortMappingEntry', request, signal);
    if (answer.kind === 'failed') return answer.code !== NO_SUCH_MAPPING;
    return !leadsElsewhere(answer.mapping, wanted, [way.from, granted.from]);
  }
}

/** @throws PeerlaneError `aborted` */
function wait(env: Env, ms: number, signal: AbortSignal): Promise<void> {
  throwIfAborted(signal);
  return new Promise((resolve, reject) => {
    const timer = env.setTimer(ms, () => {
      removeAbort();
      resolve();
    });
    const removeAbort = onAbort(signal, () => {
      timer.cancel();
      reject(abortedError(signal));
    });
  });
}

function nameOf({ type, port, path }: UpnpService, externalPort: number): string {
  return `${type} ${port} ${path} ${externalPort}`;
}

function isSameService(one: UpnpService, other: UpnpService): boolean {
  return nameOf(one, 0) === nameOf(other, 0);
}

function inTurn(services: readonly UpnpService[], first: UpnpService | undefined): UpnpService[] {
  const isFirst = (service: UpnpService): boolean => first !== undefined && isSameService(service, first);
  return [...services.filter(isFirst), ...services.filter((service) => !isFirst(service))];
}

function randomPort(env: Env): number {
  const [a = 0, b = 0] = env.randomBytes(2);
  return FIRST_FREE_PORT + (((a << 8) | b) % (65_536 - FIRST_FREE_PORT));
}
