/**
 * A value that is mostly there at once, and sometimes has to be waited for. On the way of each mail a
 * promise for what is known already costs more than the question (docs/performance.md).
 */
export type Soon<T> = T | Promise<T>;

/** Goes on with the value: in the same turn if it is there. What `next` throws is thrown or rejected alike. */
export function then<T, U>(value: Soon<T>, next: (value: T) => Soon<U>): Soon<U> {
  return value instanceof Promise ? value.then(next) : next(value);
}

/** All of them: in the same turn if all are there. */
export function all<T>(values: readonly Soon<T>[]): Soon<T[]> {
  return values.some((value) => value instanceof Promise) ? Promise.all(values) : (values as T[]);
}
