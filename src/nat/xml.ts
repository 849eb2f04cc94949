/** What a router says in XML, read without trust: bounded, no document type, no entities of its own. */
import { SaxesParser } from 'saxes';
import { PeerlaneError } from '../base/errors.ts';
import { lie } from './mapping.ts';

/** Characters of a document; descriptions of routers have some thousands. */
export const MAX_XML_LENGTH = 64 * 1024;
export const MAX_XML_DEPTH = 32;
export const MAX_XML_ELEMENTS = 2_000;

export interface XmlElement {
  /** Without its prefix. */
  readonly name: string;
  /** Of the element itself, without spaces around it. */
  readonly text: string;
  readonly children: readonly XmlElement[];
}

interface Open extends XmlElement {
  text: string;
  readonly children: XmlElement[];
}

/**
 * The root of a document.
 * @throws PeerlaneError `nat-lie` for what is not well-formed, or larger than anything honest
 */
export function parseXml(document: string): XmlElement {
  if (document.length > MAX_XML_LENGTH) throw lie(`XML of more than ${MAX_XML_LENGTH} characters`);
  const open: Open[] = [{ name: '', text: '', children: [] }];
  let elements = 0;
  const parser = new SaxesParser({ xmlns: false, position: false });
  parser.on('error', (error) => {
    throw lie('XML that is not well-formed', error);
  });
  parser.on('doctype', () => {
    throw lie('XML with a document type');
  });
  parser.on('opentag', ({ name }) => {
    const element: Open = { name: name.slice(name.indexOf(':') + 1), text: '', children: [] };
    open.at(-1)?.children.push(element);
    open.push(element);
    if (open.length > MAX_XML_DEPTH || ++elements > MAX_XML_ELEMENTS) throw lie('XML of too many elements');
  });
  const take = (text: string): void => {
    const element = open.at(-1);
    if (element !== undefined) element.text += text;
  };
  parser.on('text', take);
  parser.on('cdata', take);
  parser.on('closetag', () => {
    const element = open.pop();
    if (element !== undefined) element.text = element.text.trim();
  });
  try {
    // Some routers begin with a line feed, which XML does not let stand before its declaration.
    parser.write(document.trimStart()).close();
  } catch (error) {
    throw error instanceof PeerlaneError ? error : lie('XML that cannot be read', error);
  }
  const root = open[0]?.children[0];
  if (root === undefined) throw lie('XML without an element');
  return root;
}

/** All elements of that name, in the order of the document. */
export function elementsOf(root: XmlElement, name: string): XmlElement[] {
  const found = root.name === name ? [root] : [];
  return [...found, ...root.children.flatMap((child) => elementsOf(child, name))];
}

/** The text of the first element of that name. */
export function textOf(root: XmlElement, name: string): string | undefined {
  return elementsOf(root, name)[0]?.text;
}
