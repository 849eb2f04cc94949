import { toBareHex } from '../base/bytes.ts';
import { endpointKey, type KadNode, type UdpEndpoint } from '../kad/index.ts';

/**
 * Somebody at a place. Sessions belong to both (discv5-theory.md, "Session Cache"): whoever turns up at another place with
 * the id of somebody known has to prove that it is the same.
 */
export interface Remote {
  /** 32 bytes. */
  readonly id: Uint8Array;
  readonly endpoint: UdpEndpoint;
  /** Of the id and the endpoint. */
  readonly key: string;
}

export function remoteAt(id: Uint8Array, endpoint: UdpEndpoint): Remote {
  return { id, endpoint, key: `${endpointKey(endpoint)} ${toBareHex(id)}` };
}

export function remoteOf({ id, ip, udpPort }: KadNode): Remote {
  return remoteAt(id, { ip, port: udpPort });
}
