/**
 * What is done to held mail once in a while: undeliverable mail that is older than the operator's rule
 * (`notices.undeliverable`) is removed. Without a rule nothing is.
 */
import type { EntryId } from '../spool/port.ts';
import type { KeeperContext } from './context.ts';

const AT_ONCE = 100;

export async function sweep(ctx: KeeperContext, undeliverable: number | undefined): Promise<void> {
  const { spool, clock, patience } = ctx;
  if (undeliverable === undefined || !patience.over) return;
  for (const { queue, held } of [...spool.queues()]) {
    if (held === 0) continue;
    let old: EntryId[] = [];
    for await (const entry of spool.find({ queue, held: true })) {
      const { hold } = entry;
      if (hold?.kind !== 'undeliverable' || clock.now() - hold.since < undeliverable) continue;
      ctx.log.info('undeliverable mail removed', {
        mail: entry.mail,
        entry: entry.id,
        queue,
        why: hold.reason,
      });
      old.push(entry.id);
      if (old.length < AT_ONCE) continue;
      await spool.operate(old, { kind: 'remove', by: 'notices.undeliverable' });
      old = [];
    }
    if (old.length > 0) await spool.operate(old, { kind: 'remove', by: 'notices.undeliverable' });
  }
}
