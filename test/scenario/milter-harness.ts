/**
 * A house with scripted filters at its gate, on simulated time.
 */
import { SECOND } from '../../src/base/clock.ts';
import type { MilterRule } from '../../src/config/milter-schema.ts';
import { Milters } from '../../src/policy/milter/milters.ts';
import { type Script, ScriptedMilter } from '../support/scripted-milter.ts';
import { SimClock } from '../support/sim-clock.ts';
import { HOSTNAME, House, type Line, listLog, makeSite } from './receive-harness.ts';

export const rule = (more: Partial<MilterRule> = {}): MilterRule => ({
  name: 'unix:/m',
  at: { kind: 'unix', path: '/m' },
  onFailure: 'defer',
  timeouts: { connect: 30 * SECOND, command: 30 * SECOND, content: 300 * SECOND },
  connections: 100,
  reuse: false,
  peers: 'ask',
  ...more,
});

export class MilterHouse {
  readonly clock = new SimClock();
  readonly lines: Line[] = [];
  readonly filters: readonly ScriptedMilter[];
  rules: readonly MilterRule[];
  readonly milters: Milters;
  readonly house: House;

  constructor(...filters: readonly (readonly [Script, Partial<MilterRule>?])[]) {
    this.filters = filters.map(([script]) => new ScriptedMilter(script));
    this.rules = filters.map(([, more], i) =>
      rule({ name: `unix:/m${i}`, at: { kind: 'unix', path: String(i) }, ...more }),
    );
    this.milters = new Milters({
      rules: () => this.rules,
      hostname: () => HOSTNAME,
      dial: (to) => this.filter(to.kind === 'unix' ? Number(to.path) : -1).dial(),
      clock: this.clock,
      log: listLog(this.lines),
    });
    const sites = [makeSite('one', ['one.example']), makeSite('two', ['two.example'])];
    this.house = new House(sites, {}, undefined, [this.milters.check], [this.milters.inspector]);
  }

  filter(i = 0): ScriptedMilter {
    const filter = this.filters[i];
    if (!filter) throw new Error(`there is no filter ${i}`);
    return filter;
  }

  /** Lets time pass until `work` is done; at most an hour. */
  async patiently<T>(work: Promise<T>): Promise<T> {
    let done = false;
    const end = () => void (done = true);
    work.then(end, end);
    for (let i = 0; i < 3600 && !done; i++) {
      await this.clock.settle();
      if (!done) await this.clock.advance(SECOND);
    }
    return work;
  }

  /** What `failed`, and why. */
  get failures(): string[] {
    return this.lines.filter((line) => line.event === 'milter failed').map((line) => String(line.fields.why));
  }
}
