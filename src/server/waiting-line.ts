/** Those who wait, first come, first served; of one owner nothing goes on before what it has waiting longer. */

interface Place<T> {
  readonly item: T;
  /** The lower, the longer it has waited. */
  readonly number: number;
  next: Place<T> | undefined;
}

interface Places<T> {
  first: Place<T>;
  last: Place<T>;
}

/** To add one takes the same time however many wait; to look who may go on takes as long as there are owners. */
export class WaitingLine<K, T> {
  readonly #places = new Map<K, Places<T>>();
  /** In the order of the first that each has. */
  readonly #owners: K[] = [];
  #number = 0;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** @returns whether nothing of this owner has waited so far */
  push(owner: K, item: T): boolean {
    const place: Place<T> = { item, number: this.#number++, next: undefined };
    this.#length++;
    const places = this.#places.get(owner);
    if (places === undefined) {
      this.#places.set(owner, { first: place, last: place });
      this.#owners.push(owner);
      return true;
    }
    places.last.next = place;
    places.last = place;
    return false;
  }

  /** What has waited longest of each owner. */
  *firsts(): Generator<T, void, undefined> {
    for (const { first } of this.#places.values()) yield first.item;
  }

  /** Has those go on that may; where the first of an owner may not, nothing of it does. Who comes meanwhile is not asked. */
  pass(mayGo: (item: T) => boolean, go: (item: T) => void): void {
    const end = this.#number;
    for (let at = 0; ; ) {
      const owner = this.#owners[at];
      const first = owner === undefined ? undefined : this.#places.get(owner)?.first;
      if (owner === undefined || first === undefined || first.number >= end) return;
      if (!mayGo(first.item)) {
        at++;
        continue;
      }
      this.#owners.splice(at, 1);
      this.#takeFirst(owner, first);
      go(first.item);
    }
  }

  /** Takes all of an owner out, and gives them in their order. */
  remove(owner: K): T[] {
    const removed: T[] = [];
    for (let place = this.#places.get(owner)?.first; place !== undefined; place = place.next)
      removed.push(place.item);
    if (removed.length === 0) return removed;
    this.#places.delete(owner);
    this.#owners.splice(this.#owners.indexOf(owner), 1);
    this.#length -= removed.length;
    return removed;
  }

  #takeFirst(owner: K, { next }: Place<T>): void {
    this.#length--;
    const places = this.#places.get(owner);
    if (places === undefined || next === undefined) {
      this.#places.delete(owner);
      return;
    }
    places.first = next;
    this.#owners.splice(this.#positionOf(next.number), 0, owner);
  }

  #positionOf(number: number): number {
    let [low, high] = [0, this.#owners.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      const owner = this.#owners[middle];
      const first = owner === undefined ? undefined : this.#places.get(owner)?.first;
      if (first !== undefined && first.number < number) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
