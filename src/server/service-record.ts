import { equalBytes } from '../base/bytes.ts';
import { invalidArgument as invalid, refuseThenable } from '../base/checks.ts';
import { errorText, PeerlaneError } from '../base/errors.ts';
import { NodeRecord } from '../enr/index.ts';

export interface ServiceRecordOptions {
  /** Of the node, 64 bytes. */
  readonly publicKey: Uint8Array;
  /** Where the record comes from. */
  readonly read: () => NodeRecord;
  /** Told that the record cannot be had, and the one of before is shown. */
  readonly failed: (error: PeerlaneError) => void;
}

/** The record that a service shows: somebody else's function makes it, and may fail. */
export class ServiceRecord {
  readonly #options: ServiceRecordOptions;
  #last: NodeRecord | undefined;

  constructor(options: ServiceRecordOptions) {
    this.#options = options;
  }

  /** The record as it is now. @throws PeerlaneError `invalid-argument` when there is none, or of another key */
  get current(): NodeRecord {
    const record = this.#read();
    if (this.#last !== undefined && record === this.#last) return record;
    refuseThenable('record', record);
    if (!(record instanceof NodeRecord)) throw invalid('record gives no NodeRecord');
    if (!equalBytes(record.publicKey, this.#options.publicKey)) {
      throw invalid('record gives a record of another key');
    }
    this.#last = record;
    return record;
  }

  /** For packets, which are sent all the same: the record as it is now, or as it was before. */
  get latest(): NodeRecord {
    try {
      return this.current;
    } catch (error) {
      if (this.#last === undefined || !(error instanceof PeerlaneError)) throw error;
      this.#options.failed(error);
      return this.#last;
    }
  }

  #read(): NodeRecord {
    try {
      return this.#options.read();
    } catch (error) {
      if (error instanceof PeerlaneError) throw error;
      throw invalid(`record has thrown: ${errorText(error)}`, error);
    }
  }
}
