/**
 * The caching resolver: the Resolver port over recursive servers.
 *
 * Promises: an answer within servers × 2 rounds × 2 s; the same question asked at the same time goes
 * out once; memory is bounded. It never asks /etc/hosts, never validates DNSSEC itself, and never
 * keeps a failure for more than a few seconds: a site's return must be seen at once.
 *
 * RFC 1035, 2308, 5321 §5.1, 6761 §6.3 (localhost), 7505.
 */
import { randomInt } from 'node:crypto';
import { getServers } from 'node:dns';
import { isIPv6 } from 'node:net';
import { type Clock, HOUR, MINUTE, SECOND } from '../base/clock.ts';
import { exchange, type Heard, type Server } from './exchange.ts';
import type { Answer, MxRecord, Resolver } from './port.ts';
import { reverseName } from './reverse.ts';
import { canonicalAddress, type DnsRecord, isAskable, type Question } from './wire.ts';

const ROUNDS = 2;
const LONGEST_POSITIVE = HOUR;
const LONGEST_NEGATIVE = 5 * MINUTE;
const FAILURE_KEPT = 3 * SECOND;
const CACHE_SIZE = 20_000;
/** Questions that wait for an answer at once, if nothing else is said; the others wait for their turn. */
const IN_FLIGHT = 200;
const WAITING = 20_000;

type Kept =
  | { readonly kind: 'found'; readonly records: readonly DnsRecord[]; readonly secure: boolean }
  | { readonly kind: 'nxdomain' | 'nodata' }
  | { readonly kind: 'failed'; readonly why: string };

interface Slot {
  readonly answer: Kept;
  /** Monotonic. */
  readonly until: number;
}

export interface ResolverOptions {
  /** Asked in this order. */
  readonly servers: readonly Server[];
  readonly clock: Clock;
  /** Milliseconds for one question to one server. */
  readonly timeout?: number;
  /** Questions that wait for an answer at once. */
  readonly inFlight?: number;
  /** 0–65535, not to be guessed. */
  readonly randomId?: () => number;
}

/** The system's own resolver addresses. */
export function systemServers(): Server[] {
  return getServers().map((text) => {
    const withPort = /^\[(.*)\]:(\d+)$/.exec(text) ?? (isIPv6(text) ? null : /^(.*):(\d+)$/.exec(text));
    return withPort ? { host: withPort[1] ?? '', port: Number(withPort[2]) } : { host: text, port: 53 };
  });
}

export function createResolver(options: ResolverOptions): Resolver {
  return new CachingResolver(options);
}

class CachingResolver implements Resolver {
  readonly #servers: readonly Server[];
  readonly #clock: Clock;
  readonly #timeout: number;
  readonly #randomId: () => number;
  readonly #mostInFlight: number;
  readonly #cache = new Map<string, Slot>();
  readonly #asking = new Map<string, Promise<Slot>>();
  readonly #turns: (() => void)[] = [];
  #inFlight = 0;

  constructor(options: ResolverOptions) {
    this.#servers = options.servers;
    this.#clock = options.clock;
    this.#timeout = options.timeout ?? 2 * SECOND;
    this.#mostInFlight = options.inFlight ?? IN_FLIGHT;
    this.#randomId = options.randomId ?? (() => randomInt(0x10000));
  }

  async mx(domain: string): Promise<Answer<MxRecord>> {
    const slot = await this.#look({ name: bareName(domain), type: 'MX' });
    return this.#answer(slot, (r) => (typeof r === 'string' ? null : r));
  }

  async addresses(host: string): Promise<Answer<string>> {
    const literal = canonicalAddress(host);
    if (literal) return { kind: 'found', records: [literal], ttl: 3600 };
    const name = bareName(host);
    if (name === 'localhost' || name.endsWith('.localhost')) {
      return { kind: 'found', records: ['127.0.0.1', '::1'], ttl: 3600 };
    }
    const slots = await Promise.all([this.#look({ name, type: 'A' }), this.#look({ name, type: 'AAAA' })]);
    const answers = slots.map((slot) => this.#answer(slot, (r) => (typeof r === 'string' ? r : null)));
    return together(answers);
  }

  a(name: string): Promise<Answer<string>> {
    return this.#texts({ name: bareName(name), type: 'A' });
  }

  aaaa(name: string): Promise<Answer<string>> {
    return this.#texts({ name: bareName(name), type: 'AAAA' });
  }

  txt(name: string): Promise<Answer<string>> {
    return this.#texts({ name: bareName(name), type: 'TXT' });
  }

  ptr(address: string): Promise<Answer<string>> {
    return this.#texts({ name: reverseName(address), type: 'PTR' });
  }

  async #texts(question: Question): Promise<Answer<string>> {
    return this.#answer(await this.#look(question), (r) => (typeof r === 'string' ? r : null));
  }

  #answer<T>(slot: Slot, pick: (r: DnsRecord) => T | null): Answer<T> {
    if (slot.answer.kind !== 'found') return slot.answer as Exclude<Answer<T>, { kind: 'found' }>;
    const records = slot.answer.records.map(pick).filter((r) => r !== null);
    const ttl = Math.max(0, Math.ceil((slot.until - this.#clock.monotonic()) / SECOND));
    return { kind: 'found', records, ttl };
  }

  #look(question: Question): Promise<Slot> {
    const key = `${question.type} ${question.name}`;
    const kept = this.#cache.get(key);
    if (kept && kept.until > this.#clock.monotonic()) return Promise.resolve(kept);
    const running = this.#asking.get(key);
    if (running) return running;
    const asked = this.#ask(question).then((slot) => {
      this.#asking.delete(key);
      this.#keep(key, slot);
      return slot;
    });
    this.#asking.set(key, asked);
    return asked;
  }

  #keep(key: string, slot: Slot): void {
    // Written anew, so that the order of the map is the order of age.
    this.#cache.delete(key);
    if (slot.until <= this.#clock.monotonic()) return;
    if (this.#cache.size >= CACHE_SIZE) {
      const [oldest] = this.#cache.keys();
      if (oldest !== undefined) this.#cache.delete(oldest);
    }
    this.#cache.set(key, slot);
  }

  async #ask(question: Question): Promise<Slot> {
    if (!isAskable(question.name)) return this.#slot({ kind: 'nxdomain' }, 0);
    if (this.#inFlight >= this.#mostInFlight) {
      if (this.#turns.length >= WAITING) return this.#slot({ kind: 'failed', why: 'too many questions' }, 0);
      await new Promise<void>((turn) => this.#turns.push(turn));
    } else {
      this.#inFlight++;
    }
    try {
      return await this.#askServers(question);
    } finally {
      const next = this.#turns.shift();
      if (next) next();
      else this.#inFlight--;
    }
  }

  async #askServers(question: Question): Promise<Slot> {
    let why = 'no resolver is configured';
    let edns = true;
    for (let round = 0; round < ROUNDS; round++) {
      for (const server of this.#servers) {
        const heard = await exchange({
          server,
          question,
          edns,
          id: this.#randomId(),
          clock: this.#clock,
          timeout: this.#timeout,
        });
        const slot = this.#slotOf(heard);
        if (slot) return slot;
        if (heard.kind === 'refused' && heard.format) edns = false;
        why = `${server.host}: ${'why' in heard ? heard.why : heard.kind}`;
      }
    }
    return this.#slot({ kind: 'failed', why: `${question.type} ${question.name}: ${why}` }, FAILURE_KEPT);
  }

  /** Null: ask another. */
  #slotOf(heard: Heard): Slot | null {
    switch (heard.kind) {
      case 'found': {
        const { records, secure } = heard;
        return this.#slot({ kind: 'found', records, secure }, Math.min(heard.ttl * SECOND, LONGEST_POSITIVE));
      }
      case 'nxdomain':
      case 'nodata': {
        const ttl = heard.ttl === null ? FAILURE_KEPT : Math.min(heard.ttl * SECOND, LONGEST_NEGATIVE);
        return this.#slot({ kind: heard.kind }, ttl);
      }
      case 'truncated':
      case 'refused':
      case 'silent':
        return null;
    }
  }

  #slot(answer: Kept, ms: number): Slot {
    return { answer, until: this.#clock.monotonic() + ms };
  }
}

/** The answers of both families as one: what one of them has is enough. */
export function together(answers: readonly Answer<string>[]): Answer<string> {
  const found = answers.filter((a) => a.kind === 'found');
  if (found.length > 0) {
    return {
      kind: 'found',
      records: found.flatMap((a) => a.records),
      ttl: Math.min(...found.map((a) => a.ttl)),
    };
  }
  const failed = answers.find((a) => a.kind === 'failed');
  if (failed) return failed;
  return answers.every((a) => a.kind === 'nxdomain') ? { kind: 'nxdomain' } : { kind: 'nodata' };
}

const bareName = (name: string): string => (name.endsWith('.') ? name.slice(0, -1) : name).toLowerCase();

export type { Server };
