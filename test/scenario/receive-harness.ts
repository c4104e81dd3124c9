/**
 * A receiver with everything around it in memory, for the scenarios of policy and receive: a spool
 * that keeps what was committed, knowledge of primaries as literals, a log that is a list.
 */

import { DAY, HOUR, SECOND } from '../../src/base/clock.ts';
import { type Keyed, openKeyed } from '../../src/base/keyed.ts';
import type { Fields, Log } from '../../src/base/log.ts';
import { canonicalDomain } from '../../src/mail/address.ts';
import type { Reply } from '../../src/mail/reply.ts';
import type { Check } from '../../src/policy/check.ts';
import { Escapes } from '../../src/policy/escape.ts';
import { Gate } from '../../src/policy/gate.ts';
import type { Inspector } from '../../src/policy/inspect.ts';
import { Policy } from '../../src/policy/pipeline.ts';
import {
  type Capabilities,
  DEFAULT_SIZE_LIMIT,
  type Pulses,
  type Settings,
  type Standing,
} from '../../src/policy/ports.ts';
import { Rosters } from '../../src/policy/roster/rosters.ts';
import { WhileUp } from '../../src/policy/while-up.ts';
import { Passing } from '../../src/primary/passing.ts';
import type { Peer } from '../../src/protocol/engine.ts';
import { parseMail, parseRcpt } from '../../src/protocol/smtp/server/parameters.ts';
import type { Manner, Session } from '../../src/protocol/smtp/session.ts';
import { createReceiver } from '../../src/receive/receiver.ts';
import type { Connector } from '../../src/receive/through/line.ts';
import { Throughs } from '../../src/receive/through/through.ts';
import { type Roster, type Site, SiteDirectory } from '../../src/site/site.ts';
import type {
  Committed,
  Draft,
  NewEntry,
  QueueName,
  Refused,
  Spool,
  SpoolHealth,
} from '../../src/spool/port.ts';
import { SimClock } from '../support/sim-clock.ts';

export interface Held {
  readonly id: string;
  readonly head: string;
  readonly body: Buffer;
  readonly entries: readonly NewEntry[];
}

/** Keeps mails in memory; can be told to refuse. */
export class SpoolDouble {
  readonly mails: Held[] = [];
  readonly asked: { size?: number; queues: readonly QueueName[] }[] = [];
  readonly shares = new Map<QueueName, number>();
  /** Drafts that are neither committed nor aborted. */
  open = 0;
  state: SpoolHealth['state'] = 'ok';
  left = 1e12;
  refuseDraft: Refused | undefined;
  refuseCommit: Refused | undefined;
  /** Drafts can be read so many times more. */
  reads = Number.POSITIVE_INFINITY;
  /** Held back by a test: commits wait for it. */
  sync: Promise<void> = Promise.resolve();
  #next = 1;

  async draft(room: { size?: number; queues: readonly QueueName[] }): Promise<Draft | Refused> {
    this.asked.push(room);
    return this.refuseDraft ?? new DraftDouble(this, `m${this.#next++}`);
  }

  room(queue: QueueName): number {
    return this.shares.get(queue) ?? this.left;
  }

  health(): SpoolHealth {
    return { state: this.state, room: this.left, entries: 0, bytes: 0, corrupt: 0 };
  }
}

class DraftDouble implements Draft {
  readonly kind = 'draft';
  readonly id: string;
  readonly #spool: SpoolDouble;
  readonly #chunks: Uint8Array[] = [];
  #over = false;
  #committed = false;
  written = 0;

  constructor(spool: SpoolDouble, id: string) {
    this.#spool = spool;
    this.id = id;
    spool.open++;
  }

  async write(body: Uint8Array): Promise<void> {
    if (this.#over) throw new Error('written to a draft that is over');
    this.#chunks.push(body);
    this.written += body.byteLength;
  }

  async *read(): AsyncGenerator<Uint8Array> {
    if (this.#spool.reads-- <= 0) throw new Error('EIO');
    yield* this.#chunks;
  }

  async rewind(): Promise<void> {
    this.#chunks.length = 0;
    this.written = 0;
  }

  async commit(head: Uint8Array, entries: readonly NewEntry[]): Promise<Committed | Refused> {
    this.#end();
    this.#committed = true;
    await this.#spool.sync;
    if (this.#spool.refuseCommit) return this.#spool.refuseCommit;
    const body = Buffer.concat(this.#chunks);
    this.#spool.mails.push({ id: this.id, head: Buffer.from(head).toString(), body, entries });
    return { kind: 'committed', entries: entries.map((_, i) => (i === 0 ? this.id : `${this.id}.${i + 1}`)) };
  }

  async abort(): Promise<void> {
    if (this.#committed) throw new Error('aborted while it was committed');
    if (!this.#over) this.#end();
  }

  #end(): void {
    if (this.#over) throw new Error('a draft ended twice');
    this.#over = true;
    this.#spool.open--;
  }
}

export interface Line {
  readonly level: string;
  readonly event: string;
  readonly fields: Fields;
}

/** A log that remembers. */
export function listLog(lines: Line[], more: Fields = {}): Log {
  const at = (level: string) => (event: string, fields?: Fields) => {
    lines.push({ level, event, fields: { ...more, ...fields } });
  };
  return {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: (fields) => listLog(lines, { ...more, ...fields }),
  };
}

export function makeSite(name: string, domains: readonly string[], more: Partial<Site> = {}): Site {
  return {
    name,
    domains: domains.map(canonicalDomain),
    collect: { kind: 'push' },
    primary: { kind: 'mx' },
    tls: { kind: 'may' },
    recipients: { kind: 'any' },
    whileUp: 'accept',
    passClient: 'none',
    hold: 30 * DAY,
    warn: [4 * HOUR],
    connections: 10,
    probe: 60 * SECOND,
    ...more,
  };
}

/** A complete list in a file. */
export const listed = (path: string, more: Partial<Roster> = {}): Roster => ({
  kind: 'roster',
  lists: [{ kind: 'file', path }],
  delimiter: '+',
  ...more,
});

export const HOSTNAME = 'mx2.restante.example';
export const STRANGER = '198.51.100.10';

export const SETTINGS: Settings = {
  hostname: HOSTNAME,
  names: [HOSTNAME, 'mx2.customer.example'],
  addresses: ['203.0.113.9', '2001:db8::9'],
  sizeLimit: DEFAULT_SIZE_LIMIT,
};

export class House {
  readonly spool = new SpoolDouble();
  readonly clock = new SimClock();
  readonly lines: Line[] = [];
  readonly events: string[] = [];
  readonly capabilities = new Map<string, Capabilities>();
  /** IP address → sites whose primary is there. */
  readonly primaries = new Map<string, string[]>();
  /** `peers:` */
  readonly peers = new Set<string>();
  readonly standings = new Map<string, Standing>();
  /** For `through`. */
  readonly knownGood = new Set<string>();
  /** What the roster was told by `through`. */
  readonly learned: { readonly site: string; readonly address: string; readonly refusal?: Reply }[] = [];
  /** How a primary is reached: by `through`, and to ask for recipients. */
  connect: Connector['connect'] = async () => ({
    kind: 'trouble',
    cause: 'connect',
    text: 'no primary here',
  });
  readonly passing: Passing;
  /** For `defer`. */
  pulses: Pulses = { seen: () => undefined, ask: async () => false };
  readonly keyed: Keyed;
  settings: Settings;
  directory: SiteDirectory;
  readonly receiver: (peer: Peer) => Session;
  readonly rosters: Rosters;

  /** `spool`: a real one instead of the double. */
  constructor(
    sites: readonly Site[],
    settings: Partial<Settings> = {},
    spool?: Pick<Spool, 'draft' | 'health' | 'room'>,
    checks: readonly Check[] = [],
    inspectors: readonly Inspector[] = [],
    keyed: Keyed = openKeyed(':memory:'),
  ) {
    this.keyed = keyed;
    this.settings = { ...SETTINGS, ...settings };
    this.directory = new SiteDirectory(sites);
    const log = listLog(this.lines);
    this.passing = new Passing(this.clock, log);
    const shared = {
      spool: spool ?? this.spool,
      settings: () => this.settings,
      directory: () => this.directory,
      primaries: {
        capabilities: (site: string) => this.capabilities.get(site),
        sitesAt: (address: string) => this.primaries.get(address) ?? [],
      },
    };
    const standings = { standing: (site: string) => this.standings.get(site) };
    const whileUp = new WhileUp({
      standings,
      pulses: { seen: (site) => this.pulses.seen(site), ask: (site) => this.pulses.ask(site) },
      primaries: shared.primaries,
      escapes: new Escapes(this.clock, this.keyed),
      clock: this.clock,
    });
    this.rosters = new Rosters({
      clock: this.clock,
      log,
      random: Math.random,
      get: () => Promise.reject(new Error('there is no server')),
      directory: () => this.directory,
      standings,
      primaries: { connect: (site, signal) => this.connect(site, signal) },
    });
    this.receiver = createReceiver({
      ...shared,
      policy: new Policy({
        ...shared,
        standings,
        recipients: this.rosters,
      }),
      gate: new Gate(checks),
      whileUp,
      throughs: new Throughs({
        whileUp,
        connector: { connect: (site, signal, client) => this.connect(site, signal, client) },
        passing: this.passing,
        roster: {
          isKnownGood: (_site, address) => this.knownGood.has(address),
          learn: (site, said) => void this.learned.push(...said.map((one) => ({ site, ...one }))),
        },
        clock: this.clock,
        log,
      }),
      inspectors,
      isPeer: (address) => this.peers.has(address),
      events: {
        signOfLife: (site, peer) => void this.events.push(`life ${site} ${peer}`),
        call: () => ({ kind: 'empty' }),
        loop: (site, peer) => void this.events.push(`loop ${site} ${peer}`),
      },
      key: 'a secret of this house',
      clock: this.clock,
      log,
    });
  }

  visit(address: string = STRANGER): Visit {
    return new Visit(this.receiver(peerAt(address)));
  }

  logged(event: string): Fields[] {
    return this.lines.filter((line) => line.event === event).map((line) => line.fields);
  }
}

export const peerAt = (address: string): Peer => ({
  address,
  port: 40000,
  localAddress: '192.0.2.25',
  localPort: 25,
});

export const EHLO: Manner = { helo: 'client.example', esmtp: true };

/** "550 5.7.1": what of a reply a test looks at. */
export const status = (r: Reply): string => [r.code, r.enhanced].filter(Boolean).join(' ');

/** A peer that speaks to a Session through the grammar, without an engine in between. */
export class Visit {
  readonly session: Session;
  manner: Manner = EHLO;
  /** The text of the last reply to RCPT or to the end of data. */
  words = '';
  #utf8 = false;

  constructor(session: Session) {
    this.session = session;
  }

  async mail(args: string): Promise<string> {
    const parsed = parseMail(args);
    if (parsed.kind === 'bad') return status(parsed.reply);
    this.#utf8 = parsed.command.smtputf8;
    return status(await this.session.mail(parsed.command, this.manner));
  }

  async rcpt(args: string): Promise<string> {
    const parsed = parseRcpt(args, this.#utf8);
    if (parsed.kind === 'bad') return status(parsed.reply);
    return this.#heard(await this.session.rcpt(parsed.command));
  }

  /** Content in the chunks given; the reply to its end. */
  async data(...chunks: readonly (string | Buffer)[]): Promise<string> {
    const sink = await this.session.content();
    if ('code' in sink) return status(sink);
    for (const chunk of chunks) await sink.write(Buffer.from(chunk));
    return this.#heard(await sink.end());
  }

  #heard(r: Reply): string {
    this.words = r.text.join('\n');
    return status(r);
  }

  /** A whole mail; the reply to its end, or to what was refused before. */
  async send(sender: string, recipients: readonly string[], content: string): Promise<string> {
    let said = await this.mail(`FROM:<${sender}>`);
    for (const recipient of recipients) {
      if (!said.startsWith('2')) return said;
      said = await this.rcpt(`TO:<${recipient}>`);
    }
    return said.startsWith('2') ? this.data(content) : said;
  }
}
