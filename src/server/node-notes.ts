/** What a server or a bootnode learns of nodes, written into its node database. */
import type { Env } from '../base/env.ts';
import { consequenceOf, type PeerlaneError } from '../base/errors.ts';
import { type Enode, nodeIdOf } from '../enr/index.ts';
import type { KadNode } from '../kad/index.ts';
import type { PeerInfo } from '../p2p/index.ts';
import { hasAddress } from './bootnodes.ts';
import type { NodeDatabase, NodePatch } from './node-db/index.ts';
import type { DiscoveryVersionEvent } from './told-versions.ts';

export class NodeNotes {
  readonly #database: NodeDatabase | undefined;
  readonly #env: Env;

  constructor(database: NodeDatabase | undefined, env: Env) {
    this.#database = database;
    this.#env = env;
  }

  /** A node has become a peer; where it listens is known of one that was dialed. */
  connected(info: PeerInfo, dialed: Enode | undefined): void {
    const { clientId: client } = info;
    if (dialed === undefined) this.#note(info.id, { client });
    else this.#note(info.id, { client, dial: { at: this.#now }, ...endpointOf(dialed) });
  }

  /** A dial has failed. What is our own doing says nothing of the node. */
  dialFailed({ publicKey }: Enode, error: PeerlaneError): void {
    if (consequenceOf(error).backOff !== true && error.code !== 'already-connected') return;
    this.#note(publicKey, { failed: true, dial: { at: this.#now, error: error.code } });
  }

  discovered(event: DiscoveryVersionEvent): void {
    switch (event.kind) {
      case 'node-answered':
        this.#note(event.node.publicKey, { ...patchOf(event.node), lastPong: this.#now });
        break;
      case 'node-silent':
        this.#note(event.node.publicKey, { failed: true });
        break;
      case 'record-received':
        this.#note(event.node.publicKey, patchOf({ ...event.node, record: event.record }));
        break;
      default:
    }
  }

  /** The database knows no time before 1 ms. */
  get #now(): number {
    return Math.max(1, Math.floor(this.#env.unixTime()));
  }

  #note(publicKey: Uint8Array, patch: NodePatch): void {
    this.#database?.update(nodeIdOf(publicKey), patch);
  }
}

function endpointOf(enode: Enode): NodePatch {
  return hasAddress(enode) ? { endpoint: enode } : {};
}

function patchOf({ publicKey, ip: host, tcpPort, udpPort, record }: KadNode): NodePatch {
  return { endpoint: { publicKey, host, tcpPort, udpPort }, record };
}
