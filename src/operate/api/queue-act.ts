/** POST /queue/:act: flush, hold, release or remove the entries that a Selection means. */
import type { EntryId, OperatorAct, QueueName } from '../../spool/port.ts';
import { mailOf } from '../journal.ts';
import type { Running } from '../port.ts';
import { Act, ActRequest } from './contract.ts';
import { type Endpoint, type Failed, failed, json, understood } from './endpoint.ts';
import { select } from './selection.ts';

const AT_ONCE = 1000;
const EVENT: Record<OperatorAct['kind'], string> = {
  hold: 'mail held',
  release: 'mail released',
  hasten: 'mail flushed',
  remove: 'mail removed',
};

export const queueAct: Endpoint = {
  method: 'POST',
  path: '/queue/:act',
  async answer(running, asked) {
    const name = Act.safeParse(asked.param('act'));
    if (!name.success) return failed(404, `"${asked.param('act')}" is nothing that can be done to entries`);
    const request = understood(ActRequest, asked.body);
    if ('kind' in request) return request;
    const { which, all } = request.ok;
    if (Object.keys(which).length === 0 && !all)
      return failed(400, 'nothing is selected: "all" has to be said');
    const act = actOf(name.data, request.ok, running);
    if ('status' in act) return act;
    // Known before the first is touched: what is done must not change what is meant.
    const ids: EntryId[] = [];
    const queues = new Set<QueueName>();
    for await (const entry of select(running, which)) {
      ids.push(entry.id);
      queues.add(entry.queue);
    }
    const applied = await apply(running, ids, act);
    if (act.kind === 'hasten') for (const queue of queues) running.keepers.flush(queue);
    return json({ applied });
  },
};

function actOf(name: Act, request: ActRequest, running: Running): OperatorAct | Failed {
  switch (name) {
    case 'flush':
      return { kind: 'hasten' };
    case 'release':
      return { kind: 'release' };
    case 'remove':
      return request.by === undefined
        ? failed(400, 'by: a name is expected')
        : { kind: 'remove', by: request.by };
    case 'hold': {
      const { reason, until } = request;
      if (reason === undefined) return failed(400, 'reason: a text is expected');
      if (until === undefined) return { kind: 'hold', hold: { kind: 'operator', reason } };
      const end = Date.parse(until);
      if (!(end > running.clock.now())) return failed(400, `until: "${until}" is no time to come`);
      return { kind: 'hold', hold: { kind: 'operator', reason, until: end } };
    }
  }
}

async function apply(running: Running, ids: readonly EntryId[], act: OperatorAct): Promise<number> {
  let applied = 0;
  const why = act.kind === 'hold' && 'reason' in act.hold ? { why: act.hold.reason } : {};
  const by = act.kind === 'remove' ? { by: act.by } : {};
  for (let i = 0; i < ids.length; i += AT_ONCE) {
    const done = await running.spool.operate(ids.slice(i, i + AT_ONCE), act);
    for (const entry of done)
      running.log.info(EVENT[act.kind], { mail: mailOf(entry), entry, ...why, ...by });
    applied += done.length;
  }
  return applied;
}
