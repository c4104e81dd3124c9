/** GET /queue: entries, a JSON line each, in order of arrival. */
import type { Running } from '../port.ts';
import { type EntryRow, Page } from './contract.ts';
import { type Endpoint, failed, understood } from './endpoint.ts';
import { select } from './selection.ts';
import { entryRow, queueExists } from './views.ts';

export const queueList: Endpoint = {
  method: 'GET',
  path: '/queue',
  answer(running, asked) {
    const page = understood(Page, parsed(asked.query.get('select')));
    if ('kind' in page) return page;
    const { site } = page.ok;
    if (site !== undefined && !queueExists(running, site)) return failed(404, `there is no site "${site}"`);
    return { kind: 'lines', rows: rows(running, page.ok) };
  },
};

async function* rows(running: Running, page: Page): AsyncGenerator<EntryRow> {
  for await (const entry of select(running, page)) yield entryRow(entry);
}

function parsed(text: string | null): unknown {
  if (text === null) return {};
  try {
    return JSON.parse(text);
  } catch {
    return null; // which is no Page
  }
}
