/** Shared libraries of Linux (elf(5)), as far as a loader has to look before it loads one. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

const HEADER_LENGTH = 64;
const MAGIC = 0x7f454c46;
/** EI_CLASS: 64 bits; EI_DATA: little-endian. */
const CLASS_AND_DATA = 0x0201;

/**
 * Whether the file is an ELF library that ends too early: to load one ends the process with SIGBUS. The table of
 * sections is what a linker writes last.
 */
export function isCutOff(path: string): boolean {
  const file = openSync(path, 'r');
  try {
    const header = Buffer.alloc(HEADER_LENGTH);
    if (readSync(file, header, 0, HEADER_LENGTH, 0) < HEADER_LENGTH) return true;
    if (header.readUInt32BE(0) !== MAGIC || header.readUInt16BE(4) !== CLASS_AND_DATA) return false;
    const [offset, size, count] = [
      header.readBigUInt64LE(40),
      header.readUInt16LE(58),
      header.readUInt16LE(60),
    ];
    return offset + BigInt(size * count) > BigInt(fstatSync(file).size);
  } finally {
    closeSync(file);
  }
}
