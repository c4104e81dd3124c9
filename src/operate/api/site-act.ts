/** POST /sites/:queue/flush, hold, release: an operator's word to the keeper of a queue. */
import type { Running } from '../port.ts';
import { HoldRequest } from './contract.ts';
import { type Answer, type Asked, done, type Endpoint, failed, understood } from './endpoint.ts';
import { queueExists } from './views.ts';

/** For queues that have a keeper, or would have one if mail came. */
const forQueue =
  (act: (running: Running, queue: string, asked: Asked) => Promise<Answer> | Answer): Endpoint['answer'] =>
  (running, asked) => {
    const queue = asked.param('queue');
    if (!queueExists(running, queue)) return failed(404, `there is no site "${queue}"`);
    return act(running, queue, asked);
  };

export const siteFlush: Endpoint = {
  method: 'POST',
  path: '/sites/:queue/flush',
  answer: forQueue((running, queue) => {
    if (running.keepers.flush(queue)) {
      running.log.info('queue flushed', { queue });
      return done;
    }
    const state = running.keepers.view(queue)?.state;
    const held = state === 'held';
    if (state === 'waiting' || state === 'calling')
      return failed(409, `${queue} gets its mail when it calls`);
    if (!held && running.spool.summary(queue).count === 0) return done; // nothing lies there, so nobody looks after it
    return failed(
      409,
      held ? `${queue} is held: release it first` : `${queue} is not handed over to anybody`,
    );
  }),
};

export const siteHold: Endpoint = {
  method: 'POST',
  path: '/sites/:queue/hold',
  answer: forQueue(async (running, queue, asked) => {
    const request = understood(HoldRequest, asked.body);
    if ('kind' in request) return request;
    const { reason, until } = request.ok;
    const end = until === undefined ? null : Date.parse(until);
    if (end !== null && !(end > running.clock.now()))
      return failed(400, `until: "${until}" is no time to come`);
    await running.keepers.hold(queue, reason, end);
    return done;
  }),
};

export const siteRelease: Endpoint = {
  method: 'POST',
  path: '/sites/:queue/release',
  answer: forQueue(async (running, queue) => {
    await running.keepers.release(queue);
    return done;
  }),
};
