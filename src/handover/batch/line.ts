/**
 * Gathers parcels, and runs the command for them: with `rmail` one after the other, with `bsmtp` many at
 * once, when there are enough of them or no more come.
 *
 * Promises: a recipient is `delivered` only by exit code 0 of the command that had its mail; one command at
 * a time; a parcel that cannot go along (an address that no quoting makes safe, content that is
 * damaged) is put off alone, and the others go.
 */
import { basename, join } from 'node:path';
import type { Timer } from '../../base/clock.ts';
import type { Outcome } from '../../mail/outcome.ts';
import { type Reply, reply } from '../../mail/reply.ts';
import { fromLine } from '../../protocol/bsmtp/rmail.ts';
import { batchCommands } from '../../protocol/bsmtp/writer.ts';
import type { Given, Line, Parcel, Trouble } from '../port.ts';
import type { BatchOptions } from './batch.ts';
import { type Ran, runCommand } from './command.ts';
import { batchInput, type Counted, type Opened, rmailInput, SpoiltMail } from './input.ts';
import { fillIn, groups, isSafe, wants } from './words.ts';

/** Nothing more came for so long: the batch goes. */
const LULL = 200;
const MOST_SPOILT = 1000;

const UNREADABLE = reply(451, '4.3.0', 'The mail can not be read');
const UNSAFE = reply(
  451,
  '4.1.3',
  'An address that is not safe as a word of the command: "form: bsmtp" can carry it',
);
const UNSAFE_SENDER = reply(451, '4.1.7', 'The sender is not safe for rmail: "form: bsmtp" can carry it');

/** A parcel that waits for its command. */
interface Waiting {
  readonly parcel: Parcel;
  readonly outcomes: (Outcome | null)[];
  readonly done: (given: Given) => void;
  /** Octets that its command got; of a batch, with its first mail. */
  sent: number;
}

export class BatchLine implements Line {
  readonly kind = 'line';
  readonly best = true;
  readonly host: string;
  readonly depth: number;
  readonly #o: BatchOptions;
  readonly #spoilt: Set<string>;
  readonly #number: number;
  readonly #cut = new AbortController();
  #waiting: Waiting[] = [];
  #lull: Timer | null = null;
  #busy = false;
  #closing: (() => void) | null = null;
  #trouble: Trouble | null = null;
  #runs = 0;

  constructor(options: BatchOptions, spoilt: Set<string>, number: number) {
    this.#o = options;
    this.#spoilt = spoilt;
    this.#number = number;
    this.host = basename(options.batch.command[0] ?? '');
    const { form, count } = options.batch;
    // With a command for each mail, none waits behind it for long: a hold or another way has to wait for all of them.
    this.depth = form === 'rmail' ? 2 : count;
  }

  give(parcel: Parcel): Promise<Given> {
    return new Promise((done) => {
      this.#waiting.push({ parcel, outcomes: parcel.envelope.recipients.map(() => null), done, sent: 0 });
      this.#soon();
    });
  }

  close(): Promise<void> {
    return new Promise((closed) => {
      this.#closing = closed;
      this.#now();
    });
  }

  hangUp(): boolean {
    this.#trouble ??= this.#troubleOf('lost', 'ended by us');
    this.#lull?.cancel();
    for (const waiting of this.#waiting.splice(0)) waiting.done(this.#given(waiting, 0));
    // Of a command that runs only its exit code tells.
    return this.#busy;
  }

  destroy(): void {
    this.#trouble ??= this.#troubleOf('lost', 'cut off by us');
    this.#cut.abort();
    this.#now();
  }

  #soon(): void {
    const { form, count, size } = this.#o.batch;
    const octets = this.#waiting.reduce((sum, w) => sum + w.parcel.size, 0);
    this.#lull?.cancel();
    if (form === 'rmail' || this.#waiting.length >= count || octets >= size) this.#now();
    else this.#lull = this.#o.clock.after(LULL, () => this.#now());
  }

  #now(): void {
    this.#lull?.cancel();
    if (!this.#busy) void this.#work();
  }

  async #work(): Promise<void> {
    this.#busy = true;
    while (this.#waiting.length > 0) {
      const part = this.#next();
      const begun = this.#o.clock.monotonic();
      if (!this.#trouble) await this.#run(part);
      const latency = this.#o.clock.monotonic() - begun;
      for (const waiting of part) waiting.done(this.#given(waiting, latency));
      // Something came meanwhile; more may be on its way.
      if (this.#waiting.length > 0 && !this.#closing && !this.#trouble && this.#o.batch.form === 'bsmtp') {
        this.#busy = false;
        return this.#soon();
      }
    }
    this.#busy = false;
    this.#closing?.();
  }

  /** What goes together. */
  #next(): Waiting[] {
    const { form, count, size } = this.#o.batch;
    if (form === 'rmail') return this.#waiting.splice(0, 1);
    let octets = 0;
    const over = this.#waiting.findIndex(({ parcel }) => {
      octets += parcel.size;
      return octets >= size;
    });
    return this.#waiting.splice(0, Math.min(count, over < 0 ? Number.POSITIVE_INFINITY : over + 1));
  }

  #given({ outcomes, sent }: Waiting, latency: number): Given {
    const certain = outcomes.filter((o) => o !== null);
    if (certain.length === outcomes.length) {
      const packed = this.#o.batch.compress !== 'none' && sent > 0;
      return { kind: 'answered', outcomes: certain, latency, ...(packed && { sent }) };
    }
    const trouble = this.#trouble ?? this.#troubleOf('lost', 'the command was cut off');
    return { kind: 'broken', trouble, outcomes, alive: false };
  }

  async #run(part: readonly Waiting[]): Promise<void> {
    const able = part.filter((waiting) => {
      if (!this.#spoilt.has(waiting.parcel.id)) return true;
      settle(waiting, this.#deferred(UNREADABLE));
      return false;
    });
    const [first] = able;
    if (!first) return;
    if (this.#o.batch.form === 'rmail') await this.#rmail(first);
    else await this.#bsmtp(able);
  }

  async #rmail(waiting: Waiting): Promise<void> {
    const { parcel } = waiting;
    const { command, words } = this.#o.batch;
    const { sender, recipients } = parcel.envelope;
    const before = fromLine(sender, this.#o.clock.now());
    const senderToo = wants(command, '{sender}') && sender !== '' && !isSafe(sender, words);
    if (before === null || senderToo) return settle(waiting, this.#deferred(UNSAFE_SENDER));
    const all = recipients.map((r) => r.address);
    settle(waiting, this.#deferred(UNSAFE), (address) => !isSafe(address, words));
    for (const group of groups(all.filter((address) => isSafe(address, words)))) {
      if (this.#trouble) return;
      const content = await parcel.open();
      if (!content) return settle(waiting, this.#deferred(UNREADABLE));
      const count = { octets: 0 };
      const opened = { id: parcel.id, content, before: Buffer.from(before) };
      const places = { sender, recipients: group };
      const ran = await this.#command(rmailInput(opened, count), places);
      this.#tell(ran, 1, group.length, count);
      const outcome = this.#outcomeOf(ran);
      if (!outcome) return;
      waiting.sent += sentBy(ran);
      settle(waiting, outcome, (address) => group.includes(address));
    }
  }

  async #bsmtp(part: readonly Waiting[]): Promise<void> {
    const count = { octets: 0 };
    const inside: Waiting[] = [];
    const ran = await this.#command(batchInput(this.#o.hostname, this.#open(part, inside), count), {
      sender: '',
      recipients: [],
    });
    const recipients = inside.reduce((sum, w) => sum + w.outcomes.length, 0);
    this.#tell(ran, inside.length, recipients, count);
    const outcome = this.#outcomeOf(ran);
    const [first] = inside;
    if (first) first.sent = sentBy(ran);
    if (outcome) for (const waiting of inside) settle(waiting, outcome);
  }

  async *#open(part: readonly Waiting[], inside: Waiting[]): AsyncGenerator<Opened> {
    for (const waiting of part) {
      const { parcel } = waiting;
      const content = await parcel.open();
      const before = content && batchCommands(parcel.envelope, content.size);
      if (!content || !before) {
        await content?.close();
        settle(waiting, this.#deferred(UNREADABLE));
        continue;
      }
      inside.push(waiting);
      yield { id: parcel.id, content, before };
    }
  }

  #command(
    input: AsyncIterable<Uint8Array>,
    who: { sender: string; recipients: readonly string[] },
  ): Promise<Ran> {
    const { batch, site, folder, clock, env } = this.#o;
    const { command, compress, timeout } = batch;
    const file = join(folder, `${site.name}.${this.#number}.${++this.#runs}`);
    const byName = wants(command, '{file}');
    const words = fillIn(command, { ...who, site: site.name, file });
    return runCommand(
      { words, input, file, byName, compress, timeout, signal: this.#cut.signal },
      { clock, env },
    );
  }

  /** Null: nothing is certain; the line is dead then. */
  #outcomeOf(ran: Ran): Outcome | null {
    switch (ran.kind) {
      case 'unstarted':
        this.#trouble ??= this.#troubleOf('connect', ran.why);
        return null;
      case 'spoilt': {
        // Who is at fault is put off alone the next time; the others go again at once.
        const { fault } = ran;
        if (fault instanceof SpoiltMail) {
          if (this.#spoilt.size >= MOST_SPOILT) this.#spoilt.clear();
          this.#spoilt.add(fault.id);
        }
        this.#trouble ??= this.#troubleOf('lost', fault instanceof Error ? fault.message : String(fault));
        return null;
      }
      case 'ended': {
        if (ran.why === 'cut') return null;
        const said = ran.said === '' ? '' : `: ${ran.said}`;
        if (ran.code === 0) {
          return {
            kind: 'delivered',
            reply: reply(250, '2.0.0', `Taken by ${this.host}${said}`),
            host: this.host,
          };
        }
        return this.#deferred(reply(451, '4.3.0', `${this.host} ${howEnded(ran)}${said}`));
      }
    }
  }

  #tell(ran: Ran, mails: number, recipients: number, count: Counted): void {
    const { log, batch } = this.#o;
    const fields = { command: this.host, mails, recipients, octets: count.octets };
    if (ran.kind !== 'ended') {
      log.warn('batch failed', { ...fields, why: ran.kind === 'unstarted' ? ran.why : String(ran.fault) });
      return;
    }
    const ratio = ran.octets > 0 ? Math.round((100 * count.octets) / ran.octets) / 100 : 1;
    const sent = { sent: ran.octets, ...(batch.compress !== 'none' && { compress: batch.compress, ratio }) };
    if (ran.code === 0) log.info('batch handed over', { ...fields, ...sent });
    else log.warn('batch failed', { ...fields, ...sent, why: howEnded(ran), said: ran.said });
  }

  #deferred(r: Reply): Outcome {
    return { kind: 'deferred', reply: r, host: this.host };
  }

  #troubleOf(cause: Trouble['cause'], why: string): Trouble {
    return { kind: 'trouble', cause, text: `${this.host}: ${why}`, host: this.host };
  }
}

const sentBy = (ran: Ran): number => (ran.kind === 'ended' && ran.code === 0 ? ran.octets : 0);

function howEnded(ran: Ran & { kind: 'ended' }): string {
  if (ran.why === 'timeout') return 'was killed, since its time was over';
  if (ran.why === 'signal') return 'was ended by a signal';
  return `ended with ${ran.code}`;
}

/** Those that are still open, and for which `which` is true. */
function settle(waiting: Waiting, outcome: Outcome, which: (address: string) => boolean = () => true): void {
  waiting.parcel.envelope.recipients.forEach(({ address }, i) => {
    if (which(address)) waiting.outcomes[i] ??= outcome;
  });
}
