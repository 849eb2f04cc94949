/** Whom a user bans, and takes back. */
import { toBareHex } from '../base/bytes.ts';
import { invalidArgument } from '../base/checks.ts';
import { parseIp, withoutZone } from '../base/ip.ts';
import { addressIn, type BanTarget, banNameOf } from './bans.ts';
import { isKeyText, publicKeyOfNode } from './bootnodes.ts';

const WHAT_IT_TAKES = 'a ban takes an enode URL, a record, a public key or an IP address';

/** @param text as a ban takes it, or names it @throws PeerlaneError `invalid-enode`, `invalid-record`, `invalid-argument` */
export function banTarget(text: string): BanTarget {
  if (typeof text !== 'string') throw invalidArgument(WHAT_IT_TAKES);
  // As `Server.bans` names it.
  const ip = text.endsWith('::/64') ? addressIn(text) : text;
  const name = parseIp(withoutZone(ip)) === undefined ? undefined : banNameOf(ip);
  if (name !== undefined) return { kind: 'ip', name };
  if (!isKeyText(text) && !/^en(ode:|r:)/i.test(text)) throw invalidArgument(WHAT_IT_TAKES);
  return { kind: 'node', name: toBareHex(publicKeyOfNode(text)) };
}
