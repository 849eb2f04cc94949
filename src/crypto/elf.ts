/** Shared libraries of Linux (elf(5)), as far as a loader has to look before it loads one. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

const HEADER_LENGTH = 64;
/** Of an entry of the table of program headers. */
const SEGMENT_LENGTH = 56;
const MAGIC = 0x7f454c46;
/** EI_CLASS: 64 bits; EI_DATA: little-endian. */
const CLASS_AND_DATA = 0x0201;

/** sh_type of a table of strings, such as that of the names of the sections. */
const SHT_STRTAB = 3;

/**
 * Whether the file is an ELF library whose end is missing or was never written: to load one ends the process with
 * SIGBUS or SIGSEGV. All that is loaded has to be there, and so has the table of sections, if there is one: it is
 * what a linker writes last.
 */
export function isCutOff(path: string): boolean {
  const file = openSync(path, 'r');
  try {
    const header = Buffer.alloc(HEADER_LENGTH);
    if (readSync(file, header, 0, HEADER_LENGTH, 0) < HEADER_LENGTH) return true;
    if (header.readUInt32BE(0) !== MAGIC || header.readUInt16BE(4) !== CLASS_AND_DATA) return false;
    const length = BigInt(fstatSync(file).size);
    return !hasSegments(file, header, length) || !hasSections(file, header, length);
  } finally {
    closeSync(file);
  }
}

function hasSegments(file: number, header: Buffer, length: bigint): boolean {
  const [offset, size, count] = [
    header.readBigUInt64LE(32),
    header.readUInt16LE(54),
    header.readUInt16LE(56),
  ];
  if (offset + BigInt(size * count) > length || size < SEGMENT_LENGTH) return false;
  const table = Buffer.alloc(size * count);
  readSync(file, table, 0, table.length, offset);
  for (let at = 0; at < table.length; at += size) {
    if (table.readBigUInt64LE(at + 8) + table.readBigUInt64LE(at + 32) > length) return false;
  }
  return true;
}

function hasSections(file: number, header: Buffer, length: bigint): boolean {
  const [offset, size, count, names] = [
    header.readBigUInt64LE(40),
    header.readUInt16LE(58),
    header.readUInt16LE(60),
    header.readUInt16LE(62),
  ];
  if (offset + BigInt(size * count) > length) return false;
  if (names === 0 || names >= count) return true;
  const type = Buffer.alloc(4);
  readSync(file, type, 0, type.length, offset + BigInt(size * names + 4));
  return type.readUInt32LE(0) === SHT_STRTAB;
}
