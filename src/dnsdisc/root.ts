/** The signed entry at the name of a tree (dnsdisc.md, "DNS Record Structure"). */
import { concatBytes, equalBytes } from '../base/bytes.ts';
import { isPeerlaneError, PeerlaneError, unlessError } from '../base/errors.ts';
import { keccak256, recover, SIGNATURE_LENGTH, sign } from '../crypto/index.ts';
import { decodeBase64, encodeBase64 } from './encoding.ts';
import { isHash, MAX_TEXTS, type Texts } from './entry.ts';

export const ROOT_PREFIX = 'enrtree-root:v1';
export const MAX_SEQ = 2n ** 64n - 1n;

const ROOT = /^enrtree-root:v1 e=([A-Z2-7]{1,52}) l=([A-Z2-7]{1,52}) seq=(0|[1-9]\d{0,19}) sig=([\w-]{87})$/;
const utf8 = new TextEncoder();

export interface TreeRoot {
  /** Name of the subtree of records. */
  readonly recordsHash: string;
  /** Name of the subtree of links. */
  readonly linksHash: string;
  /** Goes up with every update; below 2^64. */
  readonly seq: bigint;
  /** r, s and a recovery id: 65 bytes. */
  readonly signature: Uint8Array;
}

function contentOf({ recordsHash, linksHash, seq }: Omit<TreeRoot, 'signature'>): string {
  return `${ROOT_PREFIX} e=${recordsHash} l=${linksHash} seq=${seq}`;
}

export function formatRoot(root: TreeRoot): string {
  return `${contentOf(root)} sig=${encodeBase64(root.signature)}`;
}

/** Reads the form; the signature is not looked at. @throws PeerlaneError `invalid-tree` */
export function parseRoot(text: string): TreeRoot {
  const parts = ROOT.exec(text);
  if (parts === null) throw invalid('the root is not of the form "enrtree-root:v1 e= l= seq= sig="');
  const [, recordsHash = '', linksHash = '', digits = '', signatureText = ''] = parts;
  for (const hash of [recordsHash, linksHash]) {
    if (!isHash(hash)) throw invalid('the root names a subtree that is not a base32 hash of 12 to 32 bytes');
  }
  const seq = BigInt(digits);
  if (seq > MAX_SEQ) throw invalid('the sequence number of the root is not below 2^64');
  const signature = decodeBase64(signatureText);
  if (signature?.length !== SIGNATURE_LENGTH) throw invalid('the signature of the root is not base64url');
  return { recordsHash, linksHash, seq, signature };
}

/** @throws PeerlaneError `invalid-secret-key` */
export function signRoot(content: Omit<TreeRoot, 'signature'>, secretKey: Uint8Array): TreeRoot {
  return { ...content, signature: sign(keccak256(utf8.encode(contentOf(content))), secretKey) };
}

/**
 * The keys, 64 bytes each, of which one has made the signature. The recovery id decides nothing: it is not of the same
 * form with all who sign, and other clients do not look at it.
 */
function signersOf(root: TreeRoot): Uint8Array[] {
  const digest = keccak256(utf8.encode(contentOf(root)));
  return [0, 1].flatMap((id) => {
    try {
      return [recover(digest, concatBytes(root.signature.subarray(0, 64), Uint8Array.of(id)))];
    } catch (error) {
      if (isPeerlaneError(error, 'invalid-signature')) return [];
      throw error;
    }
  });
}

/** @throws PeerlaneError `invalid-tree` unless the key signed the root */
export function verifyRoot(root: TreeRoot, publicKey: Uint8Array): void {
  if (!signersOf(root).some((signer) => equalBytes(signer, publicKey))) {
    throw invalid('the root was not signed by the key of the tree');
  }
}

/** The key that the recovery id points at: whoever signed, as long as nobody says who should have. */
export function signerOf({ signature, ...content }: TreeRoot): Uint8Array | undefined {
  const digest = keccak256(utf8.encode(contentOf(content)));
  return unlessError(() => recover(digest, signature), 'invalid-signature');
}

/** Of the records at a name, the newest root that `publicKey` signed. @throws PeerlaneError `invalid-tree` */
export function rootOf(texts: Texts, publicKey: Uint8Array): TreeRoot {
  let found: TreeRoot | undefined;
  let problem = invalid('there is no root at the name of the tree');
  for (const text of texts.slice(0, MAX_TEXTS)) {
    if (!text.startsWith(ROOT_PREFIX)) continue;
    try {
      const root = parseRoot(text);
      verifyRoot(root, publicKey);
      if (found === undefined || root.seq > found.seq) found = root;
    } catch (error) {
      if (!isPeerlaneError(error)) throw error;
      problem = error;
    }
  }
  if (found === undefined) throw problem;
  return found;
}

function invalid(message: string): PeerlaneError {
  return new PeerlaneError('invalid-tree', message);
}
