/**
 * What the contract's tests share: the world they run in, mails to put in, ways to look.
 */
import assert from 'node:assert/strict';
import type { Clock } from '../base/clock.ts';
import type { Envelope } from '../mail/envelope.ts';
import type { Outcome } from '../mail/outcome.ts';
import { reply } from '../mail/reply.ts';
import type { Content, Entry, EntryId, Lease, Listing, NewEntry, Settlement, Spool } from './port.ts';

export interface SpoolWorld {
  readonly spool: Spool;
  readonly clock: Clock & { advance(ms: number): Promise<void> };
  reopen(): Promise<Spool>;
  end(): Promise<void>;
}

export const HEAD = Buffer.from('Received: from peer\r\nSubject: hello\r\n\r\n');

export const envelopeOf = (sender: string, ...recipients: string[]): Envelope => ({
  sender,
  recipients: recipients.map((address) => ({ address })),
  body: '8bitmime',
  smtputf8: false,
});

export const entryFor = (queue: string, ...recipients: string[]): NewEntry => ({
  queue,
  envelope: envelopeOf('Sender=B@example.net', ...(recipients.length ? recipients : [`x@${queue}.example`])),
  origin: { kind: 'received', peer: '192.0.2.1', helo: 'peer.example', protocol: 'ESMTPS' },
});

const outcomeOf = (kind: Outcome['kind'], code: number): Outcome => ({
  kind,
  reply: reply(code, undefined, 'as it is'),
  host: 'mx.acme.example',
});
export const DELIVERED = outcomeOf('delivered', 250);
export const DEFERRED = outcomeOf('deferred', 451);
export const FAILED = outcomeOf('failed', 550);

export async function put(
  spool: Spool,
  to: readonly NewEntry[],
  ...body: Uint8Array[]
): Promise<readonly EntryId[]> {
  const draft = await spool.draft({ queues: to.map((e) => e.queue) });
  assert.equal(draft.kind, 'draft', JSON.stringify(draft));
  if (draft.kind !== 'draft') return [];
  for (const piece of body) await draft.write(piece);
  const committed = await draft.commit(HEAD, to);
  assert.equal(committed.kind, 'committed', JSON.stringify(committed));
  return committed.kind === 'committed' ? committed.entries : [];
}

/** One small mail for one queue. */
export async function putOne(spool: Spool, queue: string, body = 'body\r\n'): Promise<EntryId> {
  const [id] = await put(spool, [entryFor(queue)], Buffer.from(body));
  assert.ok(id);
  return id;
}

export async function octetsOf(content: Content | { kind: string }): Promise<Buffer> {
  assert.ok('size' in content, JSON.stringify(content));
  const chunks: Uint8Array[] = [];
  for await (const chunk of content.chunks()) chunks.push(chunk);
  await content.close();
  return Buffer.concat(chunks);
}

export async function leaseOf(spool: Spool, queue: string): Promise<Lease> {
  const lease = await spool.lease(queue, 'keeper');
  assert.equal(lease.kind, 'lease');
  if (lease.kind !== 'lease') throw new Error('busy');
  return lease;
}

export async function listOf(lease: Lease): Promise<Listing[]> {
  const all: Listing[] = [];
  for await (const listing of lease.list()) all.push(listing);
  return all;
}

export async function entryOf(spool: Spool, id: EntryId): Promise<Entry> {
  const entry = await spool.read(id);
  assert.ok('envelope' in entry, JSON.stringify(entry));
  return entry;
}

export async function entriesOf(entries: AsyncIterable<Entry>): Promise<Entry[]> {
  const all: Entry[] = [];
  for await (const entry of entries) all.push(entry);
  return all;
}

export async function idsOf(entries: AsyncIterable<Entry>): Promise<EntryId[]> {
  const ids: EntryId[] = [];
  for await (const entry of entries) ids.push(entry.id);
  return ids;
}

export const settlement = (id: EntryId, outcome: Outcome, more: Partial<Settlement> = {}): Settlement => ({
  id,
  outcomes: [{ recipient: 0, outcome }],
  ...more,
});

export const isGone = async (spool: Spool, id: EntryId): Promise<boolean> => {
  const entry = await spool.read(id);
  return 'kind' in entry && entry.kind === 'gone';
};

export type Claim = (world: SpoolWorld) => Promise<void>;
