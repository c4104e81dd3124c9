/**
 * Keepers on a simulated clock, with a spool in memory and scripted sites: what outage tests and the
 * keeper's own tests play in.
 */
import { DAY, MINUTE } from '../../src/base/clock.ts';
import { type Keyed, openKeyed } from '../../src/base/keyed.ts';
import type { Fields, Log } from '../../src/base/log.ts';
import { Notices } from '../../src/notify/notices.ts';
import { Keepers } from '../../src/schedule/keepers.ts';
import { FOREIGN_POLICY, type QueuePolicy } from '../../src/schedule/policy.ts';
import { FakeSite } from './fake-handover.ts';
import { MemorySpool } from './memory-spool.ts';
import { SimClock } from './sim-clock.ts';

export const POLICY: QueuePolicy = {
  way: 'push',
  hold: 30 * DAY,
  warn: [],
  connections: 8,
  probe: MINUTE,
  wary: true,
  order: 'arrival',
};

/** The same each time. */
export function seeded(seed = 1): () => number {
  return () => {
    seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff;
    return seed / 0x80000000;
  };
}

/** Remembers what was logged. */
export class Journal implements Log {
  readonly lines: { event: string; fields: Fields }[];
  readonly #with: Fields;

  constructor(lines: { event: string; fields: Fields }[] = [], fields: Fields = {}) {
    this.lines = lines;
    this.#with = fields;
  }

  #add(event: string, fields: Fields = {}): void {
    this.lines.push({ event, fields: { ...this.#with, ...fields } });
  }

  debug(): void {}
  info(event: string, fields?: Fields): void {
    this.#add(event, fields);
  }
  warn(event: string, fields?: Fields): void {
    this.#add(event, fields);
  }
  error(event: string, fields?: Fields): void {
    this.#add(event, fields);
  }
  child(fields: Fields): Log {
    return new Journal(this.lines, { ...this.#with, ...fields });
  }
  of(event: string): Fields[] {
    return this.lines.filter((l) => l.event === event).map((l) => l.fields);
  }
}

export class World {
  readonly clock = new SimClock();
  readonly keyed: Keyed = openKeyed(':memory:');
  readonly spool = new MemorySpool(this.clock);
  readonly log = new Journal();
  readonly sites = new Map<string, FakeSite>();
  readonly policies = new Map<string, QueuePolicy>();
  allow: string[] = [];
  undeliverable: number | undefined;
  keepers: Keepers = this.#make();
  #random = seeded();

  #make(connections?: number): Keepers {
    const random = () => this.#random();
    return new Keepers({
      spool: this.spool,
      clock: this.clock,
      log: this.log,
      random,
      keyed: this.keyed,
      notices: new Notices({
        clock: this.clock,
        random,
        settings: () => ({ hostname: 'mx2.example', allow: this.allow, queueFor: (domain) => `>${domain}` }),
      }),
      handoverFor: (queue) => this.sites.get(queue) ?? null,
      policyFor: (queue) => this.policies.get(queue) ?? (queue.startsWith('>') ? FOREIGN_POLICY : POLICY),
      undeliverable: () => this.undeliverable,
      ...(connections === undefined ? {} : { connections }),
    });
  }

  site(queue: string, policy: Partial<QueuePolicy> = {}): FakeSite {
    const site = new FakeSite(this.clock, `mx.${queue}.example`);
    this.sites.set(queue, site);
    this.policies.set(queue, { ...POLICY, ...policy });
    return site;
  }

  /** A new process on the same spool; the old one is gone as by kill -9. */
  restart(connections?: number): void {
    this.spool.kill();
    for (const site of this.sites.values()) for (const line of [...site.lines]) line.destroy();
    this.keepers = this.#make(connections);
    this.keepers.start();
  }

  view(queue: string) {
    const view = this.keepers.view(queue);
    if (!view) throw new Error(`no keeper for ${queue}`);
    return view;
  }
}
