/**
 * Which recipients a site has: any, or those of a file. Where the file can't be used and no good
 * copy of it is at hand, the answer is a deferral: what is broken on our side refuses nothing
 * for good (promise 8). RFC 5321 §3.3; RFC 3463 X.1.1.
 */
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import { type Soon, then } from '../base/soon.ts';
import type { Site } from '../site/site.ts';
import { RecipientFile } from './recipient-file.ts';
import type { RecipientList } from './recipient-list.ts';
import { ACCEPT, defer, reject, type Verdict } from './verdict.ts';

export type Lookup =
  /** The site takes any local part. */
  | 'any'
  /** A complete list has this address. */
  | 'listed'
  /** A complete list has `@domain`. */
  | 'catch-all'
  /** A complete list has neither. */
  | 'absent'
  /** There is a list, and nobody can read it. */
  | 'broken';

export class RecipientLists {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #files = new Map<string, RecipientFile>();

  constructor(how: { readonly clock: Clock; readonly log: Log }) {
    this.#clock = how.clock;
    this.#log = how.log;
  }

  lookup(site: Site, address: string): Soon<Lookup> {
    if (site.recipients.kind === 'any') return 'any';
    const current = this.#file(site.recipients.path).current();
    return then<RecipientList | undefined, Lookup>(current, (list) => list?.lookup(address) ?? 'broken');
  }

  #file(path: string): RecipientFile {
    let file = this.#files.get(path);
    if (!file) {
      file = new RecipientFile(path, this.#clock, this.#log);
      this.#files.set(path, file);
    }
    return file;
  }
}

export function knownRecipient(lookup: Lookup): Verdict {
  switch (lookup) {
    case 'any':
    case 'listed':
    case 'catch-all':
      return ACCEPT;
    case 'absent':
      return reject(550, '5.1.1', 'No such recipient here', 'not in the list of recipients');
    case 'broken':
      return defer(
        451,
        '4.3.0',
        'Recipients can not be checked now, try again later',
        'no list of recipients',
      );
  }
}
