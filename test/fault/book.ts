/**
 * The book of what a spool has promised: what was acknowledged, and what was under way, at each moment of a
 * recorded history. `View.check` holds what a restart finds against it.
 *
 * A deed is what one call makes true, of all its entries together: it is there wholly or not at all. Until it
 * is acknowledged either is right; from then on only the first. A mail that was refused because the disk failed
 * may still turn up until something later is acknowledged; one refused for want of room may not.
 */
import assert from 'node:assert/strict';
import { octetsOf } from '../../src/spool/contract-support.ts';
import type { Entry, Spool } from '../../src/spool/port.ts';
import type { MemoryFiles } from '../support/memory-files.ts';

/** An entry's id; of a notice `notice …`, its content. */
export type Name = string;

/** What a person sees of an entry. */
export interface Shown {
  readonly queue: string;
  readonly recipients: string;
  readonly attempts: number;
  readonly nextTry: number;
  readonly hold: string;
}

export interface Deed {
  /** Null: it is not there. */
  readonly effects: ReadonlyMap<Name, Shown | null>;
}

export const NOT_YET: Shown | null = null;

export class View {
  readonly states = new Map<Name, Shown | null>();
  readonly contents: ReadonlyMap<Name, Buffer>;
  readonly underWay = new Set<Deed>();
  /** Refused because the disk failed. */
  readonly unsure = new Set<Deed>();
  /** Room kept back: path and octets. */
  readonly reserves = new Map<string, number>();
  corrupt = 0;

  constructor(contents: ReadonlyMap<Name, Buffer>) {
    this.contents = contents;
  }

  copy(): View {
    const copy = new View(this.contents);
    for (const [name, state] of this.states) copy.states.set(name, state);
    for (const deed of this.underWay) copy.underWay.add(deed);
    for (const deed of this.unsure) copy.unsure.add(deed);
    for (const [path, size] of this.reserves) copy.reserves.set(path, size);
    copy.corrupt = this.corrupt;
    return copy;
  }

  living(): Name[] {
    return [...this.states].filter(([, state]) => state !== null).map(([name]) => name);
  }

  /** Compares, and takes what is there for what counts from now on. */
  async check(spool: Spool, files?: MemoryFiles): Promise<void> {
    const found = await this.#found(spool);
    for (const deed of [...this.underWay, ...this.unsure]) this.#decide(deed, found);
    this.underWay.clear();
    this.unsure.clear();
    for (const [name, state] of this.states) {
      assert.deepEqual(found.get(name) ?? null, state, `${name} is not as it was told`);
    }
    for (const name of found.keys()) assert.ok(this.states.has(name), `${name} was never there`);
    assert.equal(spool.health().corrupt, this.corrupt, 'damage');
    if (files) this.#checkReserves(files);
  }

  /** Either all of a deed is there or nothing. */
  #decide(deed: Deed, found: ReadonlyMap<Name, Shown>): void {
    const sides = [...deed.effects].map(([name, after]) => {
      const is = found.get(name) ?? null;
      const before = this.states.get(name) ?? null;
      const which = same(is, after) ? 'done' : same(is, before) ? 'undone' : 'neither';
      return { name, which, after };
    });
    const [first] = sides;
    const what = sides.map((s) => `${s.name} is ${s.which}`).join(', ');
    assert.ok(first && first.which !== 'neither' && sides.every((s) => s.which === first.which), what);
    for (const { name, after } of sides) {
      if (first.which === 'done') this.states.set(name, after);
      else if (!this.states.has(name)) this.states.set(name, null);
    }
  }

  async #found(spool: Spool): Promise<Map<Name, Shown>> {
    const found = new Map<Name, Shown>();
    for await (const entry of spool.find({})) {
      const octets = await octetsOf(await spool.open(entry.id));
      const name = nameOf(entry, octets);
      assert.ok(!found.has(name), `${name} is there twice`);
      found.set(name, shownOf(entry));
      const content = this.contents.get(name);
      assert.ok(content, `${name} was never there`);
      assert.ok(octets.equals(content), `${name} has other octets: ${octets.length} of ${content.length}`);
      assert.equal(entry.size, content.length, `${name} has another size`);
    }
    return found;
  }

  #checkReserves(files: MemoryFiles): void {
    for (const path of this.reserves.keys()) assert.ok(files.has(path), `${path} is not kept`);
    for (const path of files.paths()) {
      const size = /reserve\.\w+$/.test(path) ? sizeOfReserve(path) : null;
      if (size !== null) assert.equal(files.octets(path).length, size, `${path} is not whole`);
    }
  }
}

export const RESERVES = { keptForOutcomes: 3072, keptForCompaction: 4096 } as const;
const sizeOfReserve = (path: string): number =>
  path.endsWith('outcomes') ? RESERVES.keptForOutcomes : RESERVES.keptForCompaction;

/** Of one life of the process: what was said, and when. */
export class Book {
  readonly contents: Map<Name, Buffer>;
  /** As it is now. */
  readonly view: View;
  readonly #start: View;
  readonly #events: { readonly at: number; readonly apply: (view: View) => void }[] = [];
  readonly #now: () => number;
  #closed = false;

  constructor(start: View, now: () => number) {
    this.contents = new Map(start.contents);
    this.#now = now;
    this.#start = new View(this.contents);
    copyInto(start, this.#start);
    this.view = this.#start.copy();
  }

  begin(effects: ReadonlyMap<Name, Shown | null>): Deed {
    const deed = { effects };
    this.#tell((view) => view.underWay.add(deed));
    return deed;
  }

  done(deed: Deed): void {
    const earlier = [...this.view.unsure];
    this.#tell((view) => {
      view.underWay.delete(deed);
      for (const [name, state] of deed.effects) view.states.set(name, state);
      for (const refused of earlier) settle(view, refused);
    });
  }

  /** `unsure`: it may still turn up for a while. */
  refused(deed: Deed, unsure: boolean): void {
    this.#tell((view) => {
      view.underWay.delete(deed);
      if (unsure) view.unsure.add(deed);
      else settle(view, deed);
    });
  }

  kept(path: string, kept: boolean): void {
    this.#tell((view) => void (kept ? view.reserves.set(path, 0) : view.reserves.delete(path)));
  }

  /** A start has shown what is there: that counts now. */
  async shown(spool: Spool, files?: MemoryFiles): Promise<void> {
    await this.view.check(spool, files);
    const seen = this.view.copy();
    this.#events.push({
      at: this.#now(),
      apply: (view) => {
        view.underWay.clear();
        view.unsure.clear();
        for (const [name, state] of seen.states) view.states.set(name, state);
      },
    });
  }

  /** The process has ended: nobody hears what is said from here on. */
  close(): void {
    this.#closed = true;
  }

  /** Views at rising moments. */
  reader(): (moment: number) => View {
    const view = this.#start.copy();
    let next = 0;
    return (moment) => {
      for (; ; next++) {
        const event = this.#events[next];
        if (!event || event.at > moment) return view;
        event.apply(view);
      }
    };
  }

  #tell(apply: (view: View) => void): void {
    if (this.#closed) return;
    this.#events.push({ at: this.#now(), apply });
    apply(this.view);
  }
}

function settle(view: View, refused: Deed): void {
  view.unsure.delete(refused);
  for (const name of refused.effects.keys()) if (!view.states.has(name)) view.states.set(name, null);
}

function copyInto(from: View, to: View): void {
  const copy = from.copy();
  for (const [name, state] of copy.states) to.states.set(name, state);
  for (const deed of copy.underWay) to.underWay.add(deed);
  for (const deed of copy.unsure) to.unsure.add(deed);
  for (const [path, size] of copy.reserves) to.reserves.set(path, size);
  to.corrupt = copy.corrupt;
}

export const nameOf = (entry: Entry, octets: Buffer): Name =>
  entry.origin.kind === 'notice' ? octets.toString('latin1') : entry.id;

export function shownOf(entry: Entry): Shown {
  const { hold } = entry;
  return {
    queue: entry.queue,
    recipients: entry.recipients.map((r) => r.state).join(' '),
    attempts: entry.attempts,
    nextTry: entry.nextTry,
    hold: hold?.kind === 'operator' ? hold.reason : (hold?.kind ?? ''),
  };
}

const same = (a: Shown | null, b: Shown | null): boolean =>
  a === b ||
  (a !== null &&
    b !== null &&
    a.queue === b.queue &&
    a.recipients === b.recipients &&
    a.attempts === b.attempts &&
    a.nextTry === b.nextTry &&
    a.hold === b.hold);
