/** TXT records as JSON: one object from names to texts, as go-ethereum's `devp2p dns to-txt` writes it. */
import { PeerlaneError } from '../base/errors.ts';
import { parseRoot, ROOT_PREFIX, signerOf } from './root.ts';
import { readTree, type Tree, treeTexts } from './tree.ts';
import { canonicalDomain, type TreeUrl } from './tree-url.ts';

/** @throws PeerlaneError as `treeTexts` */
export function treeToJson(tree: Tree): string {
  return `${JSON.stringify(Object.fromEntries(treeTexts(tree)), undefined, 2)}\n`;
}

/**
 * Reads a tree from JSON and verifies it.
 *
 * @param url whose tree it has to be; without it, of the one root in it, whoever has signed that
 * @throws PeerlaneError `invalid-tree`; as `readTree` for a `url` that is none
 */
export function treeFromJson(json: string, url?: TreeUrl): Tree {
  const texts = textsOf(json);
  return readTree(url === undefined ? urlOf(texts) : url, (name) => {
    const text = texts.get(name.toLowerCase());
    return text === undefined ? undefined : [text];
  });
}

/** Names do not depend on case. */
function textsOf(json: string): Map<string, string> {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (cause) {
    throw new PeerlaneError('invalid-tree', 'the TXT records are not JSON', { cause });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalid('the TXT records are not an object from names to texts');
  }
  const texts = new Map<string, string>();
  for (const [name, text] of Object.entries(value)) {
    if (typeof text !== 'string') throw invalid('the text of a TXT record is not a string');
    texts.set(name.toLowerCase().replace(/\.$/, ''), text);
  }
  return texts;
}

function urlOf(texts: ReadonlyMap<string, string>): TreeUrl {
  const roots = [...texts].filter(([, text]) => text.startsWith(ROOT_PREFIX));
  const [root, ...others] = roots;
  if (root === undefined) throw invalid('there is no root among the TXT records');
  if (others.length > 0) throw invalid('there are several roots among the TXT records');
  const publicKey = signerOf(parseRoot(root[1]));
  if (publicKey === undefined) throw invalid('the signature of the root is none');
  return { publicKey, domain: canonicalDomain(root[0]) };
}

function invalid(message: string): PeerlaneError {
  return new PeerlaneError('invalid-tree', message);
}
