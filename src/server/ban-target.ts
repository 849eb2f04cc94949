/** Whom a user bans, and takes back. */
import { toBareHex } from '../base/bytes.ts';
import { invalidArgument } from '../base/checks.ts';
import { parseIp, withoutZone } from '../base/ip.ts';
import { addressIn, type BanTarget, banNameOf } from './bans.ts';
import { parseNode } from './bootnodes.ts';

/** @param text an enode URL, a record or an IP address @throws PeerlaneError `invalid-enode`, `invalid-record`, `invalid-argument` */
export function banTarget(text: string): BanTarget {
  if (typeof text !== 'string') throw invalidArgument('a ban takes an enode URL, a record or an IP address');
  // As `Server.bans` names it.
  const ip = text.endsWith('::/64') ? addressIn(text) : text;
  const name = parseIp(withoutZone(ip)) === undefined ? undefined : banNameOf(ip);
  if (name !== undefined) return { kind: 'ip', name };
  if (!/^en(ode:|r:)/i.test(text))
    throw invalidArgument('a ban takes an enode URL, a record or an IP address');
  return { kind: 'node', name: toBareHex(parseNode(text).publicKey) };
}
