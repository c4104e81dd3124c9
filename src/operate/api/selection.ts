/** Entries that a Selection means, as they come from the spool. */
import type { Entry, EntryQuery } from '../../spool/port.ts';
import type { Running } from '../port.ts';
import type { Page } from './contract.ts';
import { entryState } from './views.ts';

export async function* select(running: Running, page: Page): AsyncGenerator<Entry> {
  const query: EntryQuery = {
    ...(page.ids && { ids: page.ids }),
    ...(page.site !== undefined && { queue: page.site }),
    ...(page.from !== undefined && { sender: page.from === '<>' ? '' : page.from }),
    ...(page.to !== undefined && { recipient: page.to }),
    ...(page.older !== undefined && { arrivedBefore: running.clock.now() - page.older }),
  };
  let passing = page.after !== undefined;
  let left = page.limit ?? Number.POSITIVE_INFINITY;
  for await (const entry of running.spool.find(query)) {
    if (passing) passing = entry.id !== page.after;
    else if (page.state === undefined || entryState(entry) === page.state) {
      yield entry;
      if (--left <= 0) return;
    }
  }
}
