import { endpointsOfRecord, type NodeRecord } from '../enr/index.ts';

/** The places where a record says that its node is reached, as a text, which is made once for each record. */
export class OwnPlaces {
  #record: NodeRecord | undefined;
  #text = '';

  of(record: NodeRecord): string {
    if (record !== this.#record) {
      const places = endpointsOfRecord(record).map(({ host, udpPort }) => `${host} ${udpPort}`);
      this.#text = places.join();
      this.#record = record;
    }
    return this.#text;
  }
}
