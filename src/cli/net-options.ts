/** The options of commands that run a node for networks that it has to do with. */
import type { Command } from 'commander';
import { formatCidr } from '../base/cidr.ts';
import type { NetRestrictOptions } from '../server/net-restrict.ts';
import { cidr, collected } from './arguments.ts';

export interface NetOptions {
  readonly netrestrict?: readonly string[];
  readonly netdeny?: readonly string[];
}

const block = (text: string): string => formatCidr(cidr(text));

export function withNetOptions(command: Command): Command {
  return command
    .option(
      '--netrestrict <network>',
      'have to do with addresses in this network only; may be repeated',
      collected(block),
    )
    .option(
      '--netdeny <network>',
      'have nothing to do with addresses in it; may be repeated',
      collected(block),
    );
}

export function netRestrictOf({ netrestrict, netdeny }: NetOptions): NetRestrictOptions {
  return { netRestrict: netrestrict, netDeny: netdeny };
}
