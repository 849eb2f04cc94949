/** What nodes have said of themselves in Hello (devp2p.md), as a node set keeps it. */
import { checkObject, invalidArgument } from '../base/checks.ts';
import type { Capability } from '../p2p/index.ts';
import { checkTime, formatTime, parseTime } from './node-times.ts';

/** Characters of a name, and of a protocol with its version; how many protocols. The rest is left out. */
export const MAX_KEPT_CLIENT = 128;
export const MAX_KEPT_CAPABILITY = 24;
export const MAX_KEPT_CAPABILITIES = 16;

export interface NodeHello {
  /** Its name for itself: printable ASCII but for `"` and `\`, at most 128 characters. */
  readonly clientId: string;
  /** `eth/69` and the like, at most 16, each at most 24 characters of the same kind. */
  readonly capabilities: readonly string[];
  /** When it said so, Unix ms. */
  readonly at: number;
}

/** Printable ASCII that JSON writes as it is: one byte for each character. */
const PLAIN = /^[ !#-[\]-~]*$/;

/** What is kept of a Hello that came at `at` (Unix ms). */
export function helloOf(clientId: string, capabilities: readonly Capability[], at: number): NodeHello {
  const names = capabilities.map(({ name, version }) => cut(`${name}/${version}`, MAX_KEPT_CAPABILITY));
  return {
    clientId: cut(clientId, MAX_KEPT_CLIENT),
    capabilities: [...new Set(names)].slice(0, MAX_KEPT_CAPABILITIES),
    at,
  };
}

function cut(text: string, length: number): string {
  return text.slice(0, length).replace(/[^ !#-[\]-~]/g, '?');
}

/** @throws PeerlaneError `invalid-argument` */
export function checkHello(name: string, hello: NodeHello): void {
  checkObject(name, hello);
  const { clientId, capabilities, at } = hello;
  if (!isKept(clientId, capabilities)) {
    throw invalidArgument(`${name} has no clientId and capabilities, or they are too long or not printable`);
  }
  if (at === undefined) throw invalidArgument(`${name} has no time`);
  checkTime(`the time of ${name}`, at);
}

function isKept(clientId: unknown, capabilities: unknown): boolean {
  if (!isText(clientId, MAX_KEPT_CLIENT) || !Array.isArray(capabilities)) return false;
  const names: readonly unknown[] = capabilities;
  return names.length <= MAX_KEPT_CAPABILITIES && names.every((name) => isText(name, MAX_KEPT_CAPABILITY));
}

function isText(value: unknown, length: number): value is string {
  return typeof value === 'string' && value.length <= length && PLAIN.test(value);
}

/** As it stands in the JSON of a set. */
export function formatHello({ clientId, capabilities, at }: NodeHello): string {
  return JSON.stringify({ client: clientId, capabilities, time: formatTime(at) });
}

/** From the JSON of a set; `undefined` if it is not what `formatHello` writes. */
export function parseHello(value: unknown): NodeHello | undefined {
  const { client, capabilities, time }: Readonly<Record<string, unknown>> = Object(value);
  const at = typeof time === 'string' ? parseTime(time) : Number.NaN;
  if (!isText(client, MAX_KEPT_CLIENT) || !isKept(client, capabilities) || !(at >= 0)) return undefined;
  const names: readonly unknown[] = Array.isArray(capabilities) ? capabilities : [];
  return { clientId: client, capabilities: names.filter((name) => typeof name === 'string'), at };
}
