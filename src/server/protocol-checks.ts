/** The protocols of a server, checked early. */
import {
  checkBoolean,
  checkFunction,
  checkInteger,
  checkNames,
  invalidArgument,
  type NamesOf,
  readEach,
} from '../base/checks.ts';
import { OTHER } from '../observe/index.ts';
import { BASE_PROTOCOL_LENGTH, type Protocol } from '../p2p/index.ts';

const MAX_PROTOCOL_NAME_LENGTH = 8;
/** It becomes a label of metrics. */
const MESSAGE_NAME = /^[\w.:/-]{1,64}$/;
/** What a message without a name goes by there. */
const CODE = /^0x[\da-f]+$/i;

const PROTOCOL: NamesOf<Protocol> = {
  name: true,
  version: true,
  length: true,
  maxMessageSize: true,
  messageNames: true,
  confirms: true,
  handler: true,
};

/** @throws PeerlaneError `invalid-argument` */
export function checkProtocols(protocols: readonly Protocol[]): void {
  if (!Array.isArray(protocols) || protocols.length === 0) {
    throw invalidArgument('protocols must name at least one protocol');
  }
  const seen = new Set<string>();
  readEach('protocols', protocols, (protocol) => {
    checkNames('a protocol', protocol, PROTOCOL);
    const {
      name,
      version,
      length,
      handler,
      maxMessageSize = 0,
      confirms = false,
      messageNames = [],
    } = protocol;
    if (typeof name !== 'string' || name === '' || name.length > MAX_PROTOCOL_NAME_LENGTH) {
      throw invalidArgument(`the name of a protocol has 1 to ${MAX_PROTOCOL_NAME_LENGTH} characters`);
    }
    if (name === 'p2p') throw invalidArgument('the name p2p belongs to the base protocol');
    checkInteger(`${name}: version`, version, 0, Number.MAX_SAFE_INTEGER);
    const label = `${name}/${version}`;
    checkInteger(`${label}: length`, length, 1, 0xffffffff - BASE_PROTOCOL_LENGTH);
    checkInteger(`${label}: maxMessageSize`, maxMessageSize, 0, Number.MAX_SAFE_INTEGER);
    checkBoolean(`${label}: confirms`, confirms);
    checkFunction(`${label}: handler`, handler);
    checkMessageNames(`${label}: messageNames`, messageNames, length);
    if (seen.has(label)) throw invalidArgument(`${label} is given twice`);
    seen.add(label);
  });
}

function checkMessageNames(of: string, names: readonly (string | undefined)[], length: number): void {
  const seen = new Set<string>();
  readEach(of, names, (name) => {
    if (name === undefined) return;
    if (typeof name !== 'string' || !MESSAGE_NAME.test(name)) {
      throw invalidArgument('the name of a message has 1 to 64 letters, digits and the like');
    }
    // Metrics would have two rows with the same labels, and whoever reads the page would refuse all of it.
    if (name === OTHER || CODE.test(name)) {
      throw invalidArgument(`${name} stands for messages without a name`);
    }
    if (seen.has(name)) throw invalidArgument(`${name} is given twice`);
    seen.add(name);
  });
  if (names.length > length)
    throw invalidArgument(`${of} has ${names.length} codes, and length is ${length}`);
}
