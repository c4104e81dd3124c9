/**
 * Lines to a scripted server, for tests of handovers: what a site, its primary and a parcel need and no more.
 */
import { SystemClock } from '../../src/base/clock.ts';
import { openKeyed } from '../../src/base/keyed.ts';
import { silent } from '../../src/base/log.ts';
import { MemoryResolver } from '../../src/dns/memory.ts';
import type { Given, Handover, Line, Parcel, Trouble } from '../../src/handover/port.ts';
import { pushHandover } from '../../src/handover/push/push.ts';
import { Ourselves } from '../../src/primary/ourselves.ts';
import { Primaries } from '../../src/primary/primaries.ts';
import { RFC_DEADLINES } from '../../src/protocol/smtp/client/open.ts';
import type { Site } from '../../src/site/site.ts';
import { type FakeOptions, FakePrimary } from './fake-primary.ts';

export const cleanups: (() => Promise<void> | void)[] = [];
/** For `afterEach`. */
export async function cleanUp(): Promise<void> {
  for (const fn of cleanups.splice(0)) await fn();
}

export const ourselves = new Ourselves({
  hostname: 'mx2.test',
  names: [],
  addresses: [],
  token: 'tok',
  interfaces: () => [],
});

export const site = (port: number, more: Partial<Site> = {}): Site => ({
  name: 'acme',
  domains: ['acme.test'],
  collect: { kind: 'push' },
  primary: { kind: 'hosts', hosts: [{ host: '127.0.0.1', port }] },
  tls: { kind: 'may' },
  recipients: { kind: 'any' },
  whileUp: 'accept',
  passClient: 'none',
  hold: 1,
  warn: [],
  connections: 5,
  probe: 1,
  ...more,
});

export async function primary(options: FakeOptions = {}): Promise<FakePrimary> {
  const fake = await FakePrimary.start(options);
  cleanups.push(() => fake.stop());
  return fake;
}

/** Short deadlines are only for servers that hang: a slow machine must not fail a test. */
export function push(
  fake: FakePrimary,
  more: Partial<Site> = {},
  deadlines = RFC_DEADLINES,
  resolver = new MemoryResolver(),
): { handover: Handover; primaries: Primaries } {
  const keyed = openKeyed(':memory:');
  cleanups.push(() => keyed.close());
  const means = { clock: new SystemClock(), log: silent, deadlines };
  const primaries = new Primaries({
    ...means,
    keyed,
    ourselves,
    random: () => 0,
    resolver,
  });
  return { handover: pushHandover({ ...means, site: site(fake.port, more), primaries }), primaries };
}

export async function line(handover: Handover): Promise<Line> {
  const got = await handover.connect(new AbortController().signal);
  if (got.kind !== 'line') throw new Error(got.text);
  cleanups.push(() => got.destroy());
  return got;
}

export async function trouble(handover: Handover): Promise<Trouble> {
  const got = await handover.connect(new AbortController().signal);
  if (got.kind === 'line') throw new Error('connected');
  return got;
}

export const BODY = Buffer.from('Subject: x\r\n\r\nbody\r\n');

export function parcel(...to: readonly string[]): Parcel {
  return {
    id: 'e1',
    origin: { kind: 'notice', about: 'e0' },
    size: BODY.length,
    envelope: {
      sender: 's@b.test',
      recipients: (to.length ? to : ['u@acme.test']).map((address) => ({ address })),
      body: '7bit',
      smtputf8: false,
    },
    open: async () => ({
      size: BODY.length,
      pieces: [BODY],
      async *chunks() {
        yield BODY;
      },
      async close() {},
    }),
  };
}

/** "delivered failed", "null", or "trouble busy: null (alive)". */
export function short(given: Given): string {
  const outcomes = given.outcomes.map((o) => o?.kind ?? 'null').join(' ');
  if (given.kind === 'answered') return outcomes;
  return `${given.trouble.cause}: ${outcomes}${given.alive ? ' (alive)' : ''}`;
}
