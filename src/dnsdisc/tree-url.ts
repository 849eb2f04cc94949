/** Where a list is and who signs it: `enrtree://KEY@domain` (dnsdisc.md, "URL Scheme"). */
import { checkObject, reading } from '../base/checks.ts';
import { PeerlaneError } from '../base/errors.ts';
import { compressPublicKey } from '../enr/index.ts';
import { decodeBase32, encodeBase32 } from './encoding.ts';
import { decompressPublicKey } from './public-key.ts';

export const URL_PREFIX = 'enrtree://';

/** So that a name of 253 characters (RFC 1035) is left for an abbreviated hash of 16 bytes and the domain. */
export const MAX_DOMAIN_LENGTH = 253 - 27;
const MAX_URL_LENGTH = URL_PREFIX.length + 53 + 1 + MAX_DOMAIN_LENGTH + 1;
const DOMAIN = /^[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*$/;

export interface TreeUrl {
  /** Of the key that signs the tree: 64 bytes. */
  readonly publicKey: Uint8Array;
  /** In lower case, without a dot at the end. */
  readonly domain: string;
}

/** Names of DNS do not depend on case. @throws PeerlaneError `invalid-tree-url` */
export function canonicalDomain(text: string): string {
  if (typeof text !== 'string') throw invalid('the domain is not a string');
  if (text.length > MAX_DOMAIN_LENGTH + 1) {
    throw invalid(`the domain is longer than ${MAX_DOMAIN_LENGTH} characters`);
  }
  const domain = text.toLowerCase().replace(/\.$/, '');
  if (domain.length > MAX_DOMAIN_LENGTH || !DOMAIN.test(domain)) {
    throw invalid('the domain is not a name of DNS');
  }
  return domain;
}

/** @throws PeerlaneError `invalid-tree-url`, whose message says which part is wrong */
export function parseTreeUrl(url: string): TreeUrl {
  if (typeof url !== 'string') throw invalid('the URL of a tree is a string');
  if (!url.startsWith(URL_PREFIX)) throw invalid(`the URL of a tree starts with "${URL_PREFIX}"`);
  if (url.length > MAX_URL_LENGTH) throw invalid(`the URL is longer than ${MAX_URL_LENGTH} characters`);
  const rest = url.slice(URL_PREFIX.length);
  const at = rest.indexOf('@');
  if (at < 0) throw invalid('expected "@domain" behind the key');
  const compressed = decodeBase32(rest.slice(0, at));
  if (compressed === undefined) throw invalid('the key is not unpadded base32 in capitals');
  const publicKey = decompressPublicKey(compressed);
  if (publicKey === undefined) throw invalid('the key is not a compressed point of secp256k1');
  return { publicKey, domain: canonicalDomain(rest.slice(at + 1)) };
}

/**
 * The one form that two URLs of the same tree have in common.
 * @throws PeerlaneError `invalid-public-key`, `invalid-tree-url`; `invalid-argument` for what is no object
 */
export function formatTreeUrl(url: TreeUrl): string {
  const { publicKey, domain } = reading('the URL of a tree', () => {
    checkObject('the URL of a tree', url);
    const { publicKey, domain } = url;
    return { publicKey, domain };
  });
  return `${URL_PREFIX}${encodeBase32(compressPublicKey(publicKey))}@${canonicalDomain(domain)}`;
}

function invalid(message: string): PeerlaneError {
  return new PeerlaneError('invalid-tree-url', message);
}
