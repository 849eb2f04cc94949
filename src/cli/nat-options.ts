/** The options of commands that run a node behind a router. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { isPeerlaneError } from '../base/errors.ts';
import type { ServerEvent } from '../server/index.ts';
import { isOneOfEach } from '../server/listen-endpoints.ts';
import type { NatEvent } from '../server/nat/node-nat.ts';
import {
  checkedStunServer,
  checkNatOptions,
  type NatConfig,
  type NatOption,
  type NatOptions,
} from '../server/nat/options.ts';
import { collected, EXTIP_HELP, hostIp, type ListenAddress, listenAddress } from './arguments.ts';
import type { Output } from './output.ts';

const WAYS = ['any', 'upnp', 'pmp', 'pcp', 'stun', 'none'] as const;
const EXTIP = 'extip:';

export interface NatCliOptions {
  readonly extip?: readonly string[];
  readonly nat?: NatOption;
  readonly stun?: ListenAddress;
}

export function withNatOptions(command: Command): Command {
  return command
    .option('--extip <address>', EXTIP_HELP, collected(hostIp))
    .option(
      '--nat <way>',
      'have a router let others in: any, upnp, pmp, pcp; stun asks where others see this machine; extip:ADDRESS, or with one of each family extip:ADDRESS,ADDRESS; none (default)',
      natWay,
    )
    .addOption(new Option('--stun <host:port>', 'STUN server for --nat stun').argParser(stunServer));
}

function natWay(text: string): NatOption {
  if (text.startsWith(EXTIP)) {
    const extip = text.slice(EXTIP.length).split(',').map(hostIp);
    if (isOneOfEach(extip)) return { extip };
    throw new InvalidArgumentError('expected an address, or one of IPv4 and one of IPv6');
  }
  const way = WAYS.find((one) => one === text);
  if (way === undefined) throw new InvalidArgumentError(`expected ${WAYS.join(', ')} or ${EXTIP}ADDRESS`);
  return way;
}

function stunServer(text: string): ListenAddress {
  const address = listenAddress(text);
  // That an empty host is every address is for those that are listened on.
  const isNamed = !text.startsWith(':');
  try {
    if (isNamed) return checkedStunServer(address);
  } catch (error) {
    if (!isPeerlaneError(error)) throw error;
  }
  throw new InvalidArgumentError('expected HOST:PORT, the IPv4 address or the name of a host');
}

/** Ends the command when these options contradict each other: as they are typed, and before anything is done. */
export function requireNatOptions(command: Command, { nat = 'none', stun, extip }: NatCliOptions): void {
  const refuse = (message: string): never => command.error(`error: ${message}`);
  if (nat === 'stun' && stun === undefined) refuse('--nat stun needs --stun HOST:PORT');
  if (nat !== 'stun' && stun !== undefined) refuse('--stun is for --nat stun');
  if (extip === undefined || nat === 'none') return;
  if (typeof nat === 'string') {
    refuse(`--extip says where others reach the node, and --nat ${nat} would find it out`);
  } else {
    const [given, said] = [extip, [nat.extip].flat()].map((ips) => ips.toSorted().join(' and '));
    if (given !== said) refuse(`--extip is ${given}, and --nat says ${said}`);
  }
}

/** As options of a `Server`. */
export function natOf({ nat, stun }: NatCliOptions): NatOptions {
  return { ...(nat !== undefined && { nat }), stunServer: stun };
}

/** @throws PeerlaneError `invalid-argument` when they contradict each other, or where the node listens */
export function checkedNat(
  options: NatCliOptions,
  listen: readonly ListenAddress[],
): { readonly nat: NatConfig; readonly externalIps: readonly string[] } {
  const hosts = listen.map(({ host }) => host);
  return checkNatOptions(natOf(options), options.extip, hosts);
}

export function isNatEvent(event: ServerEvent): event is NatEvent {
  return event.kind === 'mapped' || event.kind === 'unmapped' || event.kind === 'nat-failed';
}

export function reportNat(output: Output, event: NatEvent): void {
  if (event.kind === 'nat-failed') {
    const { kind, protocol, family, error, retryInMs } = event;
    const { code, message } = error;
    const fields = { protocol, family, code, message, retryInMs };
    output.event(kind, fields, `${protocol} port, IPv${family}: ${message} (${code})`);
    return;
  }
  const { kind, protocol, external, method } = event;
  const verb = kind === 'mapped' ? 'is reached at' : 'is no longer reached at';
  output.event(kind, { protocol, external, method }, `${protocol} port ${verb} ${external}, by ${method}`);
}
