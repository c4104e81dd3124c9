/**
 * `site flush --wait`: watches a queue until it is worked through, with a bar and an estimate. Ends with
 * 1 when the site turns out to be down, is held, or takes no mail any more.
 */
import cliProgress from 'cli-progress';
import type { SiteView } from '../../operate/api/contract.ts';
import type { Context } from './context.ts';
import { count, plain, printJson, span } from './format.ts';
import type { FlushOptions } from './site.ts';
import type { Exit, Terminal } from './terminal.ts';

const EVERY = 500;
/** A queue in which nothing has moved for so long waits for the mails' own clocks. */
const STALLED = 120_000;
/** What the probe that a flush asks for may take to begin. */
const GRACE = 2000;
/** A next probe that is later than this means that one has been in vain. */
const SOON = 100;

type Verdict = { readonly exit: Exit; readonly text: string };
export interface Watch {
  readonly started: number;
  moved: number;
  left: number;
}

const leftIn = (site: SiteView): number => site.queued - site.held;

/** What is to be said of a queue at a moment; null: wait on. */
export function judge(site: SiteView, watch: Watch, now: number): Verdict | null {
  const left = leftIn(site);
  if (left !== watch.left) {
    watch.left = left;
    watch.moved = now;
  }
  if (left === 0) return { exit: 0, text: `${site.site}: all handed over` };
  const rest = `${count(left, 'mail')} left`;
  if (site.state === 'held')
    return { exit: 1, text: `${site.site}: held: ${plain(site.reason ?? '')}; ${rest}` };
  const waiting =
    site.nextProbe !== null && Date.parse(site.nextProbe) > now + SOON && site.connections === 0;
  if (site.state === 'down' && now - watch.started > GRACE && waiting) {
    return { exit: 1, text: `${site.site}: still down: ${plain(site.reason ?? 'no reason known')}; ${rest}` };
  }
  if (now - watch.moved > STALLED) return { exit: 1, text: `${site.site}: nothing moves any more; ${rest}` };
  return null;
}

export async function waitForFlush(
  { terminal }: Context,
  options: FlushOptions,
  before: SiteView,
  look: () => Promise<SiteView>,
): Promise<Exit> {
  const started = terminal.now();
  const watch: Watch = { started, moved: started, left: leftIn(before) };
  const bar = terminal.tty && !options.json ? progressBar(terminal) : null;
  const total = leftIn(before);
  bar?.start(total, 0, { left: '' });
  try {
    for (;;) {
      const site = await look();
      const left = leftIn(site);
      bar?.setTotal(Math.max(total, left));
      bar?.update(Math.max(0, total - left), {
        left: site.estimate === null ? site.state : `${span(site.estimate)} left`,
      });
      const verdict = judge(site, watch, terminal.now());
      if (verdict) {
        bar?.stop();
        if (options.json)
          printJson(terminal, { done: verdict.exit === 0, left, state: site.state, reason: site.reason });
        else if (verdict.exit === 0) terminal.out(`${verdict.text}\n`);
        else terminal.err(`${verdict.text}\n`);
        return verdict.exit;
      }
      await new Promise((resolve) => setTimeout(resolve, EVERY));
    }
  } finally {
    bar?.stop();
  }
}

function progressBar(terminal: Terminal): cliProgress.SingleBar {
  const size = Math.max(10, Math.min(40, terminal.columns - 40));
  return new cliProgress.SingleBar(
    { format: '{bar} {value}/{total} {left}', barsize: size, hideCursor: true },
    cliProgress.Presets.shades_classic,
  );
}
