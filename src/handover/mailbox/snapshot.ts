/**
 * A queue as a numbered list of messages: which entries, for which recipients, how long, under which
 * UID. A hundred thousand of them come from the spool's index without a read; read are only envelopes
 * whose extent the index does not know, and with a copy for each recipient those of very many.
 *
 * Promises: sizes are exact, our fields included (RFC 1939 §11); UIDs are the ids of the entries, the
 * same for ever (§7). At most MOST messages: the oldest; the others are there when these are fetched.
 */
import { type Extent, extentOf } from '../../mail/envelope.ts';
import { envelopeFieldsLength } from '../../mail/envelope-fields.ts';
import type { Mailbox } from '../../site/site.ts';
import type { Entry, EntryId, Lease, Listing, Spool } from '../../spool/port.ts';

export interface MailboxMessage {
  readonly id: EntryId;
  /** Index into envelope.recipients; null: for all that are pending. */
  readonly recipient: number | null;
  /** Octets as it is sent. */
  readonly size: number;
}

/** What bounds the memory of a session: about 15 MB. */
export const MOST = 100_000;
/** Entries read at once. */
const BATCH = 64;

export const uidOf = ({ id, recipient }: MailboxMessage): string =>
  recipient === null ? id : `${id}/${recipient}`;

/** The recipients that the message is still to reach, as indices. */
export const pendingOf = (entry: Entry, recipient: number | null): number[] =>
  entry.recipients.flatMap((r, i) =>
    r.state === 'pending' && (recipient === null || recipient === i) ? [i] : [],
  );

export async function snapshot(spool: Spool, lease: Lease, mailbox: Mailbox): Promise<MailboxMessage[]> {
  const messages: MailboxMessage[] = [];
  let batch: Promise<MailboxMessage[]>[] = [];
  const gather = async (): Promise<void> => {
    for (const made of await Promise.all(batch)) messages.push(...made);
    batch = [];
  };
  for await (const listing of lease.list((one) => !isInIndex(one, mailbox))) {
    if (messages.length >= MOST) break;
    const known = fromIndex(listing, mailbox);
    if (known && batch.length === 0) messages.push(...known);
    else batch.push(known ? Promise.resolve(known) : fromEnvelope(spool, listing, mailbox));
    if (batch.length === BATCH) await gather();
  }
  await gather();
  // A copy for each recipient may make more of them.
  return messages.length > MOST ? messages.slice(0, MOST) : messages;
}

const isInIndex = ({ extent }: Listing, { copies }: Mailbox): boolean =>
  extent !== undefined && (copies === 'one' || extent.recipients === 1 || extent.each !== undefined);

function fromIndex(listing: Listing, mailbox: Mailbox): MailboxMessage[] | null {
  const { id, size, extent } = listing;
  const { copies, field } = mailbox;
  if (!extent || !isInIndex(listing, mailbox)) return null;
  const message = (recipient: number | null, of: Extent): MailboxMessage => ({
    id,
    recipient,
    size: size + envelopeFieldsLength(of, field),
  });
  if (copies === 'one') return [message(null, extent)];
  const { each } = extent;
  if (!each) return [message(0, extent)];
  const sender = each.reduce((rest, length) => rest - length, extent.octets);
  return each.map((length, i) => message(i, { recipients: 1, octets: sender + length }));
}

async function fromEnvelope(
  spool: Spool,
  listing: Listing,
  { copies, field }: Mailbox,
): Promise<MailboxMessage[]> {
  const { id, size } = listing;
  const entry = await spool.read(id);
  // Gone meanwhile, or damaged, which the spool tells.
  if ('kind' in entry) return [];
  const { sender, recipients } = entry.envelope;
  const pending = pendingOf(entry, null);
  const message = (recipient: number | null, which: readonly number[]): MailboxMessage => {
    const extent = extentOf(
      sender,
      recipients.filter((_, i) => which.includes(i)),
    );
    return { id, recipient, size: size + envelopeFieldsLength(extent, field) };
  };
  return copies === 'one' ? [message(null, pending)] : pending.map((i) => message(i, [i]));
}
