/**
 * A few threads that examine mails, and what is on its way to them.
 *
 * Promises: never more mails or octets wait than the bounds below; what is beyond them is skipped at once, with the
 * reason, and costs nothing more. An answer, or a reason why there is none, within the deadline. A thread that dies
 * or stands still is replaced; its mails are skipped. Never throws.
 */
import { Worker } from 'node:worker_threads';
import { type Clock, SECOND } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import type { Resolver } from '../../dns/port.ts';
import type { Examined, Facts, Looking } from './examine.ts';
import type { FromWorker, ToWorker } from './messages.ts';

/** Waiting for what was found; some 300 mails a second and thread are examined. */
const MOST_MAILS = 300;
/** On their way to a thread. */
const MOST_OCTETS = 16 * 1024 * 1024;
/** Of these, for those who can wait. */
const PATIENT_OCTETS = MOST_OCTETS / 2;
/** Sent in pieces of this size, or more if they come so: a small mail is one message. */
const PIECE = 16 * 1024;
const DEADLINE = 15 * SECOND;
/** Between a death and the next start: threads that die at once must not keep us busy, nor those that live beside them. */
const PAUSE = SECOND;
const MEMORY_MB = 256;

export interface Skipped {
  readonly skipped: string;
}

/** One mail on its way. */
export interface Examination {
  write(chunk: Uint8Array): void;
  /** For those who need not write at once: until the thread has taken most of what is on its way. Undefined: it has. */
  room(): Promise<void> | undefined;
  end(facts: Facts): Promise<Examined | Skipped>;
  /** Idempotent; also after the end. */
  abort(): void;
}

/** A thread as the pool sees it. */
export interface Thread {
  say(message: ToWorker, transfer: readonly ArrayBuffer[]): void;
  end(): void;
}
export type StartThread = (hear: (message: FromWorker) => void, over: (why: string) => void) => Thread;

export interface WorkersOptions {
  /** As they are now. Compared by identity: another object is told to the threads. */
  readonly looking: () => Looking;
  readonly threads: () => number;
  readonly resolver: Resolver;
  readonly clock: Clock;
  readonly log: Log;
  readonly start?: StartThread;
}

export class Workers {
  readonly #options: WorkersOptions;
  readonly #all: One[] = [];
  #lostAt = Number.NEGATIVE_INFINITY;
  #closed = false;

  constructor(options: WorkersOptions) {
    this.#options = options;
  }

  begin(): Examination | Skipped {
    const free = this.#all.filter((one) => !one.full);
    const idle = free.find((one) => one.waiting === 0);
    const least = free.toSorted((a, b) => a.waiting - b.waiting)[0];
    const one = idle ?? this.#another() ?? least;
    return one?.begin() ?? { skipped: this.#all.length === 0 ? 'no thread runs' : 'too much to do' };
  }

  close(): void {
    this.#closed = true;
    for (const one of [...this.#all]) one.end('closed');
  }

  #another(): One | undefined {
    const { threads, clock, log } = this.#options;
    const room = this.#all.length < threads() && !this.#closed;
    if (!room || clock.monotonic() - this.#lostAt < PAUSE) return undefined;
    const one = new One(this.#options, (why) => {
      this.#all.splice(this.#all.indexOf(one), 1);
      this.#lostAt = clock.monotonic();
      if (!this.#closed) log.error('authentication thread lost', { why });
    });
    this.#all.push(one);
    return one;
  }
}

interface Job {
  readonly done: (result: Examined | Skipped) => void;
}

/** One thread. */
class One {
  readonly #options: WorkersOptions;
  readonly #thread: Thread;
  readonly #gone: (why: string) => void;
  readonly #jobs = new Map<number, Job>();
  readonly #patient = new Set<() => void>();
  #next = 0;
  #octets = 0;
  #heardAt: number;
  #told: Looking | undefined;
  #over = false;

  constructor(options: WorkersOptions, gone: (why: string) => void) {
    this.#options = options;
    this.#gone = gone;
    this.#heardAt = options.clock.monotonic();
    const start = options.start ?? startThread;
    this.#thread = start(
      (message) => this.#hear(message),
      (why) => this.end(why),
    );
  }

  /** Mails that are complete, and not answered. */
  get waiting(): number {
    return this.#jobs.size;
  }

  get full(): boolean {
    return this.#jobs.size >= MOST_MAILS || this.#octets >= MOST_OCTETS;
  }

  begin(): Examination {
    this.#tell();
    const mail = this.#next++;
    let pieces: Uint8Array[] = [];
    let [size, begun] = [0, false];
    let skipped: string | undefined;
    const gathered = (): Uint8Array => {
      const octets = new Uint8Array(size);
      let at = 0;
      for (const piece of pieces) {
        octets.set(piece, at);
        at += piece.byteLength;
      }
      [pieces, size] = [[], 0];
      return octets;
    };
    const abort = () => {
      [pieces, size] = [[], 0];
      if (begun && !this.#over) this.#say({ kind: 'abort', mail });
      begun = false;
      this.#jobs.delete(mail);
    };
    return {
      write: (chunk) => {
        if (skipped !== undefined) return;
        pieces.push(chunk);
        size += chunk.byteLength;
        if (size < PIECE) return;
        if (this.#over || this.full) {
          skipped = this.#over ? 'the thread was lost' : 'too much to do';
          return abort();
        }
        begun = true;
        this.#send({ kind: 'piece', mail, octets: gathered() });
      },
      room: () => (this.#over || this.#octets < PATIENT_OCTETS ? undefined : this.#room()),
      end: async (facts) => {
        if (skipped === undefined && this.#over) skipped = 'the thread was lost';
        if (skipped === undefined && this.full) {
          skipped = 'too much to do';
          abort();
        }
        if (skipped !== undefined) return { skipped };
        begun = true;
        const octets = gathered();
        const answer = this.#answer(mail);
        this.#send({ kind: 'end', mail, octets, facts });
        const result = await answer;
        if ('skipped' in result) abort();
        begun = false;
        return result;
      },
      abort,
    };
  }

  end(why: string): void {
    if (this.#over) return;
    this.#over = true;
    this.#thread.end();
    this.#gone(why);
    for (const wake of this.#patient) wake();
    for (const { done } of this.#jobs.values()) done({ skipped: 'the thread was lost' });
    this.#jobs.clear();
  }

  #answer(mail: number): Promise<Examined | Skipped> {
    const { clock } = this.#options;
    return new Promise((resolve) => {
      const timer = clock.after(DEADLINE, () => {
        done({ skipped: `no answer within ${DEADLINE / SECOND} s` });
        // Busy is one thing: nothing heard of it for so long is another.
        if (clock.monotonic() - this.#heardAt >= DEADLINE) this.end('it stands still');
      });
      const done = (result: Examined | Skipped) => {
        timer.cancel();
        this.#jobs.delete(mail);
        resolve(result);
      };
      this.#jobs.set(mail, { done });
    });
  }

  #room(): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        timer.cancel();
        this.#patient.delete(wake);
        resolve();
      };
      const timer = this.#options.clock.after(DEADLINE, wake);
      this.#patient.add(wake);
    });
  }

  #tell(): void {
    const looking = this.#options.looking();
    if (looking === this.#told) return;
    this.#told = looking;
    this.#say({ kind: 'look', looking });
  }

  #send(message: Extract<ToWorker, { readonly octets: Uint8Array }>): void {
    this.#octets += message.octets.byteLength;
    this.#thread.say(message, [message.octets.buffer as ArrayBuffer]);
  }

  #say(message: ToWorker): void {
    this.#thread.say(message, []);
  }

  #hear(message: FromWorker): void {
    this.#heardAt = this.#options.clock.monotonic();
    switch (message.kind) {
      case 'taken':
        this.#octets -= message.octets;
        if (this.#octets < PATIENT_OCTETS) for (const wake of this.#patient) wake();
        return;
      case 'examined':
        this.#jobs.get(message.mail)?.done(message.examined);
        return;
      case 'failed':
        this.#jobs.get(message.mail)?.done({ skipped: message.why });
        return;
      case 'ask':
        void this.#ask(message);
        return;
      default:
        message satisfies never;
    }
  }

  async #ask({ question, type, name }: Extract<FromWorker, { kind: 'ask' }>): Promise<void> {
    const answer = await this.#options.resolver[type](name);
    if (!this.#over) this.#say({ kind: 'answer', question, answer });
  }
}

/** The real ones. The file's own ending: `.ts` in the sources, `.js` when built. */
export const startThread: StartThread = (hear, over) => {
  const file = new URL(`./thread${import.meta.url.slice(import.meta.url.lastIndexOf('.'))}`, import.meta.url);
  const worker = new Worker(file, { resourceLimits: { maxOldGenerationSizeMb: MEMORY_MB }, stderr: true });
  worker.unref();
  worker.on('message', hear);
  worker.on('error', (error: unknown) => over(error instanceof Error ? error.message : String(error)));
  worker.on('exit', (code) => over(`it ended with code ${code}`));
  return {
    say: (message, transfer) => worker.postMessage(message, transfer),
    end: () => void worker.terminate(),
  };
};
