/** GET /status: the server, its spool and all its queues. */
import { OPERATOR_QUEUE } from '../../spool/port.ts';
import type { Running } from '../port.ts';
import type { Status } from './contract.ts';
import { type Endpoint, json } from './endpoint.ts';
import { iso, listRow, queueRow, siteRow } from './views.ts';

export const status: Endpoint = {
  method: 'GET',
  path: '/status',
  answer: (running) => json(statusOf(running)),
};

function statusOf(running: Running): Status {
  const config = running.config();
  const now = running.clock.now();
  const names = new Set(config.sites.map((site) => site.name));
  const others = new Set<string>([OPERATOR_QUEUE]);
  for (const { queue } of running.spool.queues()) if (!names.has(queue)) others.add(queue);
  for (const { queue } of running.keepers.views()) if (!names.has(queue)) others.add(queue);
  return {
    version: running.version,
    hostname: config.hostname,
    pid: process.pid,
    now: iso(now),
    started: iso(running.started),
    uptime: Math.max(0, now - running.started),
    listeners: running.listeners().map(({ protocol, address, port }) => ({ protocol, address, port })),
    spool: { path: config.spool, ...running.spool.health() },
    sites: [...names].map((name) => siteRow(running, name)),
    others: [...others].sort().map((queue) => queueRow(running, queue)),
    blocklists: running.blocklists().map(listRow),
  };
}
