/** Which versions of discovery a command speaks. */
import { type Command, Option } from 'commander';
import { DISCOVERY_VERSIONS, type DiscoveryVersion } from '../server/told-versions.ts';

export { DISCOVERY_VERSIONS, type DiscoveryVersion };

export type VersionOptions = { readonly [Version in DiscoveryVersion]?: true };

/** For commands that speak one version: v4 unless the other one is asked for. */
export function withVersion(command: Command): Command {
  return command
    .addOption(new Option('--v4', 'by discovery v4 (default)').conflicts('v5'))
    .addOption(new Option('--v5', 'by discovery v5'));
}

export function versionOf({ v5 }: VersionOptions): DiscoveryVersion {
  return v5 === true ? 'v5' : 'v4';
}

/** For commands that can speak both. @param usual those of neither option */
export function withVersions(command: Command, usual: readonly DiscoveryVersion[]): Command {
  const ofBoth = usual.length > 1 ? '; default: both' : '';
  const v4 = usual.length === 1 && usual[0] === 'v4' ? ' (default)' : ofBoth;
  return command
    .option('--v4', `discovery v4${v4}`)
    .option('--v5', `discovery v5${ofBoth}; with --v4 both, on one socket`);
}

export function versionsOf(
  options: VersionOptions,
  usual: readonly DiscoveryVersion[],
): readonly DiscoveryVersion[] {
  const asked = DISCOVERY_VERSIONS.filter((version) => options[version] === true);
  return asked.length === 0 ? usual : asked;
}
