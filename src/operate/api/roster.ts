/** GET /rosters/:site, POST /rosters/:site/import and /forget: what is known of a site's recipients. */
import type { Instant } from '../../base/clock.ts';
import type { RosterView } from '../../policy/roster/view.ts';
import type { Site } from '../../site/site.ts';
import type { Running } from '../port.ts';
import { RosterForget, RosterImport, type RosterShow } from './contract.ts';
import { type Answer, type Asked, type Endpoint, failed, json, understood } from './endpoint.ts';

const isoOrNull = (at: Instant | null): string | null => (at === null ? null : new Date(at).toISOString());

const forSite =
  (act: (running: Running, site: Site, asked: Asked) => Answer): Endpoint['answer'] =>
  (running, asked) => {
    const name = asked.param('site');
    const site = running.config().sites.find((s) => s.name === name);
    return site ? act(running, site, asked) : failed(404, `there is no site "${name}"`);
  };

export const rosterShow: Endpoint = {
  method: 'GET',
  path: '/rosters/:site',
  answer: forSite((running, site) => json(shown(site.name, running.rosters.view(site)))),
};

export const rosterImport: Endpoint = {
  method: 'POST',
  path: '/rosters/:site/import',
  answer: forSite((running, site, asked) => {
    const request = understood(RosterImport, asked.body);
    if ('kind' in request) return request;
    const done = running.rosters.import(site, request.ok.lines);
    if (!done) {
      return failed(
        409,
        `${site.name} has no "verify" in its recipients: nothing is learned of it, or imported`,
      );
    }
    running.log.info('recipients imported', { site: site.name, recipients: done.taken });
    return json(done);
  }),
};

export const rosterForget: Endpoint = {
  method: 'POST',
  path: '/rosters/:site/forget',
  answer: forSite((running, site, asked) => {
    const request = understood(RosterForget, asked.body);
    if ('kind' in request) return request;
    const forgotten = running.rosters.forget(site, request.ok.addresses);
    running.log.info('recipients forgotten', { site: site.name, recipients: forgotten });
    return json({ forgotten });
  }),
};

function shown(site: string, view: RosterView): RosterShow {
  const { kind, counts, verify } = view;
  const lists = view.lists.map((list) => ({
    ...list,
    read: isoOrNull(list.read),
    looked: isoOrNull(list.looked),
  }));
  const common = { site, kind, lists, counts: { ...counts }, coverage: coverage(view) };
  if (!verify) return common;
  const { learned, asking, rule, openDomains, waiting } = verify;
  return {
    ...common,
    unknown: rule,
    learned: { ...learned, oldest: isoOrNull(learned.oldest), latest: isoOrNull(learned.latest) },
    verification: { ...asking, last: isoOrNull(asking.last), openDomains: [...openDomains] },
    waiting,
  };
}

/** The share of recipients, since the start, of which something was known. */
function coverage({ counts }: RosterView): number | null {
  const all = counts.known + counts.refused + counts.unknown;
  return all === 0 ? null : (all - counts.unknown) / all;
}

/** In one line, for `site show`. */
export function rosterText({ kind, lists, verify }: RosterView): string {
  if (kind === 'any') return 'any';
  const parts = lists.map(
    ({ from, recipients }) => `${from}: ${recipients === null ? 'not read' : `${recipients} recipients`}`,
  );
  if (verify) {
    const { good, bad } = verify.learned;
    parts.push(`verify: ${good} known, ${bad} refused`);
    if (verify.openDomains.length > 0) parts.push(`any at ${verify.openDomains.slice(0, 5).join(', ')}`);
    if (verify.asking.why !== null) parts.push(`cannot be asked: ${verify.asking.why}`);
  }
  return parts.join('; ');
}
