import type { Capability, Protocol } from './protocol.ts';

/** Message codes below this belong to the base protocol (rlpx.md, "Message ID-based Multiplexing"). */
export const BASE_PROTOCOL_LENGTH = 0x10;

/** A protocol that both sides speak, and the codes it has on this connection. */
export interface SharedProtocol {
  readonly protocol: Protocol;
  /** Code on the wire of the protocol's message 0. */
  readonly offset: number;
}

/**
 * The protocols that both sides share, highest version of each name, sorted by name (as byte strings), with
 * consecutive ranges of codes from 0x10.
 */
export function matchProtocols(
  own: readonly Protocol[],
  remote: readonly Capability[],
): readonly SharedProtocol[] {
  const spoken = new Set(remote.map(({ name, version }) => `${name}/${version}`));
  const best = new Map<string, Protocol>();
  for (const protocol of own) {
    if (!spoken.has(`${protocol.name}/${protocol.version}`)) continue;
    const known = best.get(protocol.name);
    if (known === undefined || known.version < protocol.version) best.set(protocol.name, protocol);
  }
  let end = BASE_PROTOCOL_LENGTH;
  return [...best.values()]
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map((protocol) => {
      const offset = end;
      end += protocol.length;
      return { protocol, offset };
    });
}

/** The shared protocol that a code on the wire belongs to. */
export function routeCode(shared: readonly SharedProtocol[], code: number): SharedProtocol | undefined {
  return shared.find(({ protocol, offset }) => code >= offset && code < offset + protocol.length);
}
