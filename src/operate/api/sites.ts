/** GET /sites and /sites/:queue: the sites of the configuration; any queue can be looked at by name. */
import { type Endpoint, failed, json } from './endpoint.ts';
import { queueExists, siteRow, siteView } from './views.ts';

export const siteList: Endpoint = {
  method: 'GET',
  path: '/sites',
  answer: (running) => json(running.config().sites.map((site) => siteRow(running, site.name))),
};

export const siteShow: Endpoint = {
  method: 'GET',
  path: '/sites/:queue',
  answer(running, asked) {
    const queue = asked.param('queue');
    if (!queueExists(running, queue)) return failed(404, `there is no site "${queue}"`);
    const site = running.config().sites.find((s) => s.name === queue);
    return json(siteView(running, queue, site));
  },
};
