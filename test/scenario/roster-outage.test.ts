/**
 * The first outage of a new site, in simulated time: three lines of configuration, a roster in which nobody is yet, a
 * primary that is away for three hours, and senders that retry as Postfix does.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { HOUR, MINUTE, SECOND } from '../../src/base/clock.ts';
import { parseConfig } from '../../src/config/load.ts';
import { seeded } from '../support/keepers-world.ts';
import { House } from './receive-harness.ts';

const THREE_LINES = `hostname: mx2.example.net
sites:
  acme: { domains: [acme.example] }
`;

function house(): House {
  const loaded = parseConfig(THREE_LINES, '/etc/restante/restante.yaml');
  assert.ok(loaded.kind === 'ok');
  return new House(loaded.config.sites);
}

/** Postfix's defaults: queue_run_delay, minimal_backoff_time, maximal_backoff_time. */
const QUEUE_RUN = 300 * SECOND;
const LEAST_BACKOFF = 300 * SECOND;
const MOST_BACKOFF = 4000 * SECOND;

interface Mail {
  readonly sender: string;
  readonly arrived: number;
  /** Recipients that were not answered 250 yet. */
  left: string[];
  due: number;
  heldAt: number;
}

/** Tries one mail; Postfix counts in whole seconds from then on. */
async function attempt(house: House, mail: Mail, from: string): Promise<void> {
  const visit = house.visit(from);
  await visit.mail(`FROM:<${mail.sender}>`);
  const left: string[] = [];
  for (const to of mail.left) {
    const said = await visit.rcpt(`TO:<${to}>`);
    assert.ok(said === '250 2.1.5' || said === '451 4.7.1', `${to}: ${said}`);
    if (said !== '250 2.1.5') left.push(to);
  }
  if (left.length < mail.left.length) assert.equal(await visit.data('Subject: x\r\n\r\nx\r\n'), '250 2.0.0');
  mail.left = left;
  const now = house.clock.monotonic();
  if (left.length === 0) mail.heldAt = now;
  const backoff = Math.min(Math.max(now - mail.arrived, LEAST_BACKOFF), MOST_BACKOFF);
  mail.due = Math.floor((now + backoff) / SECOND) * SECOND;
}

function sendersOf(n: number): string {
  const kinds = [
    `friend${n}@sender.example`,
    '',
    `list-bounces-${n}+u${n}=acme.example@lists.example`,
    `prvs=${String(n).padStart(10, '0')}=ann@batv.example`,
  ];
  return kinds[n % kinds.length] ?? '';
}

/** 400 mails over three hours; how long the slowest took to be held. */
async function outage(house: House): Promise<{ slowest: number; atOnce: number }> {
  const random = seeded(5);
  const waiting: Mail[] = [];
  const all: Mail[] = [];
  const arrivals = Array.from({ length: 400 }, () => Math.floor(random() * 3 * HOUR)).sort((a, b) => a - b);
  let run = QUEUE_RUN * random();
  const busy: Promise<void>[] = [];
  while (house.clock.monotonic() < 3 * HOUR + 30 * MINUTE) {
    const now = house.clock.monotonic();
    for (let next = arrivals[0]; next !== undefined && next <= now; next = arrivals[0]) {
      arrivals.shift();
      const n = all.length;
      const left = n % 5 === 0 ? [`u${n}@acme.example`, `v${n}@acme.example`] : [`u${n % 150}@acme.example`];
      const mail = { sender: sendersOf(n), arrived: now, left, due: 0, heldAt: 0 };
      all.push(mail);
      waiting.push(mail);
      busy.push(attempt(house, mail, '198.51.100.10'));
    }
    if (now >= run) {
      run += QUEUE_RUN;
      // A pool of senders: each try may come from another address.
      for (const mail of waiting) {
        if (mail.left.length > 0 && mail.due > 0 && mail.due <= now)
          busy.push(attempt(house, mail, '198.51.100.11'));
      }
    }
    await house.clock.advance(SECOND);
  }
  await Promise.all(busy);
  const waits = all.map((mail) => (mail.left.length > 0 ? Infinity : mail.heldAt - mail.arrived));
  return { slowest: Math.max(...waits), atOnce: waits.filter((wait) => wait < MINUTE).length };
}

describe('three lines of configuration, an empty roster, three hours without the primary', () => {
  test('connections are refused: every mail of a retrying Postfix is held within 20 minutes', async (t) => {
    const { slowest, atOnce } = await outage(house());
    t.diagnostic(`the slowest after ${(slowest / MINUTE).toFixed(1)} min; ${atOnce} of 400 at the first try`);
    assert.ok(slowest <= 20 * MINUTE, `${slowest / MINUTE} min`);
  });

  test('packets are lost: the same, and no sender waits longer than five seconds', async (t) => {
    const h = house();
    h.connect = (_site, signal) =>
      new Promise((resolve) => {
        const gone = { kind: 'trouble', cause: 'connect', text: 'timed out' } as const;
        signal.addEventListener('abort', () => resolve(gone), { once: true });
      });
    const { slowest } = await outage(h);
    t.diagnostic(`the slowest after ${(slowest / MINUTE).toFixed(1)} min`);
    assert.ok(slowest <= 20 * MINUTE, `${slowest / MINUTE} min`);
  });

  test('what is held is marked, and a keeper that knows of the outage changes nothing', async () => {
    const h = house();
    h.standings.set('acme', { up: false, wary: true });
    const { slowest } = await outage(h);
    assert.ok(slowest <= 20 * MINUTE);
    const marks = h.spool.mails.map(({ entries }) => {
      const origin = entries[0]?.origin;
      return origin?.kind === 'received' ? origin.marks : undefined;
    });
    assert.ok(marks.every((mark) => mark?.includes('unknown recipient')));
  });
});
