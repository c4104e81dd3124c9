/**
 * One list: asks it, tests it, and knows whether it can be believed (`health.ts`).
 *
 * Promises: a list that turns to list everything denies nobody for longer than its cached answer about the clean
 * point lives (5 minutes at most), since each hit asks for that too. A list that has gone silent is waited for at most
 * `SILENCE` by a busy server, and by any server at most `MISSES` times; then its hourly test alone asks it, each minute.
 * Nothing here throws, and nothing waits without a deadline.
 *
 * RFC 5782 §2.1 (A and TXT), §5 (test points).
 */
import { type Clock, HOUR, type Instant, MINUTE, SECOND, type Timer } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import type { Soon } from '../../base/soon.ts';
import type { ListSettings, Sort } from '../../config/blocklists.ts';
import type { Answer, Resolver } from '../../dns/port.ts';
import { readAnswer, refusalText, type Said } from './answer.ts';
import { type Event, Health, type ListState, type Trouble } from './health.ts';
import {
  type Answers,
  freshLabels,
  listsEverything,
  type Questions,
  questionsOf,
  verdictOf,
} from './points.ts';

const TEST_EVERY = HOUR;
const TEST_AGAIN = MINUTE;
const TEST_PATIENCE = 10 * SECOND;
/** Questions running without an answer of use: the list is gone. */
const MISSES = 5;
/** So many wait, and nothing was heard for so long: it is gone, too. */
const SILENCE = { waiting: 5, ms: 2 * SECOND };
const MOST_WAITING = 5000;
const TEXT_PATIENCE = 2 * SECOND;
const UNASKED: Said = { kind: 'unasked' };

/** For `restante status`. */
export interface ListView {
  readonly zone: string;
  readonly use: ListSettings['use'];
  readonly kinds: ListSettings['kinds'];
  readonly state: ListState;
  readonly reason: string | null;
  readonly since: Instant;
  /** The last test; null: none is over. */
  readonly tested: Instant | null;
  readonly asked: number;
  readonly hits: number;
  /** Not answered in time, or by a failure. */
  readonly timeouts: number;
  readonly refused: number;
}

export interface ListParts {
  readonly settings: ListSettings;
  /** Its own: its questions stand in nobody's way. */
  readonly resolver: Resolver;
  readonly clock: Clock;
  readonly log: Log;
  readonly random: () => number;
}

interface Waiting {
  readonly since: number;
  end(said: Said): void;
}

export class List {
  readonly settings: ListSettings;
  readonly #resolver: Resolver;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #health: Health;
  readonly #questions: readonly Questions[];
  /** In the order in which they were asked. */
  readonly #waiting = new Set<Waiting>();
  #heard = Number.NEGATIVE_INFINITY;
  #misses = 0;
  #tested: Instant | null = null;
  #timer: Timer | undefined;
  #stopped = false;
  readonly #counts = { asked: 0, hits: 0, timeouts: 0, refused: 0 };

  constructor({ settings, resolver, clock, log, random }: ListParts) {
    this.settings = settings;
    this.#resolver = resolver;
    this.#clock = clock;
    this.#random = random;
    this.#health = new Health(clock, log.child({ list: settings.zone }));
    this.#questions = settings.points.map(questionsOf);
  }

  /** Tests it now and from then on. */
  start(): void {
    void this.#test();
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  view(): ListView {
    const { zone, use, kinds } = this.settings;
    const { state, reason, since } = this.#health;
    return { zone, use, kinds, state, reason, since, tested: this.#tested, ...this.#counts };
  }

  /** Can it be asked this sort of question? */
  takes(sort: Sort): boolean {
    return this.#questions.some((questions) => questions.sort === sort);
  }

  /** `patience`: milliseconds. At once if the list is out of use. */
  ask(sort: Sort, labels: string, patience: number): Soon<Said> {
    if (this.#stopped || !this.#health.believed) return UNASKED;
    if (this.#isSilent()) {
      this.#lose({ kind: 'silent', why: `does not answer: nothing heard for ${SILENCE.ms / SECOND} s` });
      return UNASKED;
    }
    if (patience <= 0 || this.#waiting.size >= MOST_WAITING)
      return { kind: 'silent', why: 'no time to ask it' };
    this.#counts.asked++;
    return this.#wait(labels, patience).then((said) => this.#hear(sort, said));
  }

  /** Why it lists this (RFC 5782 §2.1); undefined if it does not say. */
  async reason(labels: string): Promise<string | undefined> {
    const answer = await this.#within(TEXT_PATIENCE, this.#resolver.txt(this.#name(labels)));
    return answer.kind === 'found' ? answer.records[0] : undefined;
  }

  #isSilent(): boolean {
    if (this.#waiting.size < SILENCE.waiting) return false;
    const [oldest] = this.#waiting;
    return (
      oldest !== undefined && this.#clock.monotonic() - Math.max(oldest.since, this.#heard) >= SILENCE.ms
    );
  }

  #wait(labels: string, patience: number): Promise<Said> {
    return new Promise((resolve) => {
      const waiting: Waiting = {
        since: this.#clock.monotonic(),
        end: (said) => {
          if (!this.#waiting.delete(waiting)) return;
          timer.cancel();
          resolve(said);
        },
      };
      const timer = this.#clock.after(patience, () => waiting.end(late(patience)));
      this.#waiting.add(waiting);
      const { codes } = this.settings;
      void this.#resolver.a(this.#name(labels)).then((answer) => waiting.end(readAnswer(answer, codes)));
    });
  }

  async #hear(sort: Sort, said: Said): Promise<Said> {
    switch (said.kind) {
      case 'unasked':
        return said;
      case 'silent':
        this.#counts.timeouts++;
        this.#miss({ kind: 'silent', why: `does not answer: ${said.why}` });
        return said;
      case 'refused':
        this.#counts.refused++;
        this.#miss({ kind: 'refused', why: refusalText(said.code) });
        return said;
      case 'foreign':
      case 'clean':
        this.#answered();
        return said;
      case 'listed':
        this.#answered();
        return this.#confirm(sort, said);
      default:
        return said satisfies never;
    }
  }

  #answered(): void {
    this.#heard = this.#clock.monotonic();
    this.#misses = 0;
  }

  #miss(trouble: Trouble): void {
    if (++this.#misses >= MISSES) this.#lose(trouble);
  }

  /** A hit counts only if what must not be there is not there. The resolver mostly knows. */
  async #confirm(sort: Sort, said: Said): Promise<Said> {
    const questions = this.#questions.find((each) => each.sort === sort);
    const clean = questions && (await this.#look(questions.clean, TEXT_PATIENCE));
    if (questions && clean?.kind === 'listed') {
      this.#lose(listsEverything(questions.points));
      return UNASKED;
    }
    this.#counts.hits++;
    return said;
  }

  #lose(trouble: Trouble): void {
    this.#misses = 0;
    if (this.#stopped || !this.#health.believed) return;
    if (trouble.kind === 'silent') this.#counts.timeouts += this.#waiting.size;
    this.#happened({ kind: 'lost', trouble });
  }

  async #test(): Promise<void> {
    const answers = await Promise.all(this.#questions.map((questions) => this.#examine(questions)));
    if (this.#stopped) return;
    this.#tested = this.#clock.now();
    this.#happened(verdictOf(answers));
  }

  async #examine({ sort, points, ...labels }: Questions): Promise<Answers> {
    const look = (each: string) => this.#look(each, TEST_PATIENCE);
    const fresh = freshLabels(sort, this.#random);
    const [first, second, third] = await Promise.all([look(labels.listed), look(labels.clean), look(fresh)]);
    return { points, listed: first, clean: second, fresh: third };
  }

  /** Nobody waits for a list that is out of use. */
  #happened(event: Event): void {
    this.#health.happened(event);
    if (!this.#health.believed) for (const waiting of this.#waiting) waiting.end(UNASKED);
    this.#timer?.cancel();
    const wait = this.#health.state === 'good' ? TEST_EVERY : TEST_AGAIN;
    this.#timer = this.#clock.after(wait, () => void this.#test());
  }

  /** At a test point every code counts. */
  async #look(labels: string, patience: number): Promise<Said> {
    return readAnswer(await this.#within(patience, this.#resolver.a(this.#name(labels))));
  }

  #name(labels: string): string {
    return `${labels}.${this.settings.zone}`;
  }

  #within(ms: number, answer: Promise<Answer<string>>): Promise<Answer<string>> {
    return new Promise((resolve) => {
      const timer = this.#clock.after(ms, () => resolve({ kind: 'failed', why: lateText(ms) }));
      void answer.then((known) => {
        timer.cancel();
        resolve(known);
      });
    });
  }
}

const lateText = (ms: number): string => `no answer within ${ms / SECOND} s`;
const late = (ms: number): Said => ({ kind: 'silent', why: lateText(ms) });
