/** GET /queue/:id and /queue/:id/content: one entry, for people, and its octets. */
import { describeAuthentication } from '../../mail/envelope.ts';
import { describe } from '../../mail/reply.ts';
import type { Content, Entry, EntryId } from '../../spool/port.ts';
import type { Running } from '../port.ts';
import type { EntryView } from './contract.ts';
import { type Endpoint, failed, json } from './endpoint.ts';
import { entryRow, iso } from './views.ts';

const MOST_HEADER = 64 * 1024;
const gone = (id: EntryId) => failed(404, `there is no entry "${id}" in the spool`);
const corrupt = (id: EntryId, why: string) => failed(500, `the entry "${id}" cannot be read: ${why}`);

export const queueShow: Endpoint = {
  method: 'GET',
  path: '/queue/:id',
  async answer(running, asked) {
    const id = asked.param('id');
    const entry = await running.spool.read(id);
    if (!('kind' in entry)) return json(entryView(entry, await headerOf(running, id)));
    return entry.kind === 'gone' ? gone(id) : corrupt(id, entry.why);
  },
};

export const queueContent: Endpoint = {
  method: 'GET',
  path: '/queue/:id/content',
  async answer(running, asked) {
    const id = asked.param('id');
    const content = await running.spool.open(id);
    if (!('kind' in content)) return { kind: 'octets', content };
    return content.kind === 'gone' ? gone(id) : corrupt(id, content.why);
  },
};

function entryView(entry: Entry, header: string | null): EntryView {
  const { envelope, origin } = entry;
  const { authentication = null, marks = [] } = origin.kind === 'received' ? origin : {};
  return {
    ...entryRow(entry),
    origin:
      origin.kind === 'notice'
        ? `notice about ${origin.about}`
        : `${origin.peer} (${origin.helo}) by ${origin.protocol}${origin.authenticated ? `, authenticated as ${origin.authenticated}` : ''}${origin.sends ? `, sent by the site ${origin.sends}` : ''}`,
    authentication: authentication && describeAuthentication(authentication),
    marks: [...marks],
    outcomes: envelope.recipients.map((recipient, i) => {
      const state = entry.recipients[i];
      return {
        recipient: recipient.address,
        state: state?.state ?? 'pending',
        host: state?.last?.host ?? null,
        reply: state?.last ? describe(state.last.reply) : null,
      };
    }),
    body: envelope.body,
    smtputf8: envelope.smtputf8,
    ret: envelope.ret ?? null,
    envid: envelope.envid ?? null,
    warned: entry.warned,
    until: entry.hold?.kind === 'operator' && entry.hold.until !== undefined ? iso(entry.hold.until) : null,
    header,
  };
}

async function headerOf(running: Running, id: EntryId): Promise<string | null> {
  const content = await running.spool.open(id);
  if ('kind' in content) return null;
  try {
    return await readHeader(content);
  } catch {
    return null; // damage, which the spool counts and tells
  } finally {
    await content.close();
  }
}

/** Up to the empty line (RFC 5322 §2.1), or as much as is shown. */
async function readHeader(content: Content): Promise<string> {
  let read = Buffer.alloc(0);
  for await (const chunk of content.chunks()) {
    read = Buffer.concat([read, chunk]);
    const end = read.indexOf('\r\n\r\n');
    if (end >= 0 || read.length >= MOST_HEADER) {
      return read.toString('utf8', 0, end >= 0 ? Math.min(end + 2, MOST_HEADER) : MOST_HEADER);
    }
  }
  return read.toString('utf8', 0, MOST_HEADER);
}
