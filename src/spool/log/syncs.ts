/**
 * Every sync that the log store asks for, and what would be lost without it. The name goes with the call
 * to the file port; `test/fault/syncs.test.ts` leaves out one after the other and sees that power loss then
 * breaks a promise. A sync that is not listed here does not pass the type check.
 *
 * A side file is not synced: it carries a checksum, and a start that finds it torn or missing reads the
 * segment instead. Its name is not, either.
 */
export const SYNC = {
  /** Records that commits and settles wait for. */
  group: 'group',
  /** A group was refused for want of room, and is cut off: it must not turn up. */
  undo: 'undo',
  /** The name of a new segment: before the first 250 from it. */
  segmentName: 'segment name',
  /** A large body, and its name: before the record that names it. */
  body: 'body',
  bodyName: 'body name',
  /** Names of segments that are gone: before the next go, which tell of the deaths in them. */
  removal: 'removal',
  /** Room kept back has its blocks, and its name, before it is counted on. */
  reserve: 'reserve',
  reserveName: 'reserve name',
  /** The spool's own folder, and those above it. */
  folder: 'folder',
  /** A start that cannot write what a killed process may not have synced once more syncs it. */
  seen: 'seen',
  seenNames: 'seen names',
  /** Damaged octets that are kept for people, before the segment they are from may go. */
  quarantine: 'quarantine',
  quarantineName: 'quarantine name',
} as const;

export type Sync = (typeof SYNC)[keyof typeof SYNC];
