/** Files that hold a node's secret key: 64 hexadecimal digits, as go-ethereum's `nodekey`. */
import { type FileHandle, open, rm } from 'node:fs/promises';
import { fromHex, toBareHex } from '../base/bytes.ts';
import { PeerlaneError } from '../base/errors.ts';
import { fileProblem } from '../base/file-problem.ts';
import { isValidSecretKey } from '../crypto/index.ts';

/** `0x`, 64 digits and some white space; a larger file is something else and is not read. */
const MAX_LENGTH = 100;

/**
 * The key in the file `path`; what the file holds is in no message.
 * @throws PeerlaneError `key-unreadable`
 */
export async function readKeyFile(path: string): Promise<Uint8Array> {
  const text = await readStart(path);
  const digits = /^\s*(?:0x)?([0-9a-fA-F]{64})\s*$/.exec(text)?.[1];
  if (digits === undefined) throw unreadable(path, 'it does not hold 64 hexadecimal digits');
  const key = fromHex(digits);
  if (!isValidSecretKey(key)) throw unreadable(path, 'the number in it is not a secret key of secp256k1');
  return key;
}

async function readStart(path: string): Promise<string> {
  try {
    const file = await open(path, 'r');
    try {
      const buffer = Buffer.alloc(MAX_LENGTH + 1);
      const { bytesRead } = await file.read(buffer, 0, buffer.length, 0);
      return buffer.toString('latin1', 0, bytesRead);
    } finally {
      await file.close();
    }
  } catch (error) {
    throw unreadable(path, fileProblem(error), error);
  }
}

/**
 * Writes a key into a new file that only its owner can read.
 * @throws PeerlaneError `file-unreadable`, also when the file exists
 */
export async function writeKeyFile(path: string, secretKey: Uint8Array): Promise<void> {
  const failed = (error: unknown): PeerlaneError =>
    new PeerlaneError('file-unreadable', `cannot write the key file ${path}: ${fileProblem(error)}`, {
      cause: error,
    });
  let file: FileHandle;
  try {
    file = await open(path, 'wx', 0o600);
  } catch (error) {
    throw failed(error);
  }
  try {
    await file.writeFile(`${toBareHex(secretKey)}\n`);
  } catch (error) {
    // Else the next attempt would find a file without a key.
    await rm(path, { force: true }).catch(() => undefined);
    throw failed(error);
  } finally {
    await file.close();
  }
}

function unreadable(path: string, problem: string, cause?: unknown): PeerlaneError {
  return new PeerlaneError('key-unreadable', `cannot read the key file ${path}: ${problem}`, { cause });
}
