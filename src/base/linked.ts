/**
 * A list of what comes and goes, in the order in which it came. A Set would do the same, but V8 links each table that a
 * Set or a Map outgrows to the next one: once one of them is old, all that were ever in the Set since grow old too,
 * until the next full collection (decisions/young.md). Here what has left is named by nothing.
 */
export class Linked<T> {
  #size = 0;
  /** Its `next` is the first, its `previous` the last. */
  readonly #ends: Place<T> = { value: undefined, previous: null, next: null };

  get size(): number {
    return this.#size;
  }

  /** What is returned takes it out again. */
  add(value: T): Place<T> {
    const previous = this.#ends.previous ?? this.#ends;
    const place: Place<T> = { value, previous, next: this.#ends };
    previous.next = place;
    this.#ends.previous = place;
    this.#size++;
    return place;
  }

  /** False: it had left before. */
  remove(place: Place<T>): boolean {
    const { previous, next } = place;
    if (!previous || !next) return false;
    previous.next = next;
    next.previous = previous;
    place.value = undefined;
    place.previous = place.next = null;
    this.#size--;
    return true;
  }

  /** The one that is visited may leave meanwhile, no other. */
  *[Symbol.iterator](): Iterator<T> {
    let place = this.#ends.next;
    while (place && place !== this.#ends) {
      const { value, next } = place;
      yield value as T;
      place = place.next ?? next;
    }
  }
}

/** Where a value stands in its list. */
export interface Place<T> {
  value: T | undefined;
  previous: Place<T> | null;
  next: Place<T> | null;
}
