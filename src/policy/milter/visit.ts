/**
 * One SMTP connection at one filter. The filter hears of it at the first recipient that everybody else has accepted:
 * then it is told of the connection, of EHLO and of MAIL, one after the other, and what it refuses there is
 * refused at the recipient. So those that are turned away by others cost it nothing, and it hears only of recipients
 * that are taken.
 *
 * Promises: it never throws, and waits by the filter's deadlines; what the filter did not see passes only where
 * its rule says so, and marked.
 */
import type { Log } from '../../base/log.ts';
import type { Change } from '../../protocol/milter/answer.ts';
import type { BodyRoom, Said } from '../../protocol/milter/client.ts';
import type { AskedRecipient, Asking, Visit } from '../check.ts';
import type { Findings } from '../findings.ts';
import type { Changes, Inspected, Whole } from '../inspect.ts';
import { ACCEPT, defer, type Refusal, reject, type Verdict } from '../verdict.ts';
import { type Made, make } from './changes.ts';
import { type Shown, show } from './content.ts';
import type { Filter, Line } from './filter.ts';
import { type Facts, macrosFor } from './macros.ts';

/** How it stands with a mail. */
type Stand =
  /** It has heard MAIL, and wants to hear more. */
  | { readonly kind: 'told' }
  /** It wants to hear no more, and has nothing against it. */
  | { readonly kind: 'done' }
  /** Nobody whom it has heard of is to get it. */
  | { readonly kind: 'discard' }
  /** Refused at MAIL. */
  | { readonly kind: 'refused'; readonly refusal: Refusal }
  | { readonly kind: 'failed'; readonly why: string };

interface Mail {
  /** By which one mail is told from the next. */
  readonly findings: Findings;
  stand: Stand;
  /** Recipients that it has heard of, and that are taken. */
  readonly heard: string[];
}

type Step = 'connect' | 'helo' | 'mail' | 'rcpt' | 'content';

const UNAVAILABLE = 'Service unavailable, try again later';
const DONE: Stand = { kind: 'done' };

export class FilterVisit {
  readonly #filter: Filter;
  readonly #visit: Visit;
  readonly #hostname: () => string;
  readonly #log: Log;
  readonly #label: string;
  #line: Line | null = null;
  /** The argument of EHLO that it was told; null: not even of the connection. */
  #helo: string | null = null;
  /** What it said of the whole connection. */
  #settled: Verdict | null = null;
  #mail: Mail | null = null;
  #closed = false;

  constructor(filter: Filter, visit: Visit, hostname: () => string, log: Log) {
    this.#filter = filter;
    this.#visit = visit;
    this.#hostname = hostname;
    this.#log = log;
    this.#label = `milter ${filter.rule.name}`;
  }

  async taken(asking: Asking, recipient: AskedRecipient): Promise<Verdict> {
    const { sites } = this.#filter.rule;
    if (sites && !(recipient.site && sites.includes(recipient.site.name))) return ACCEPT;
    const known = this.#mail?.findings === asking.findings ? this.#mail : null;
    const mail = known ?? (await this.#begin(asking));
    const verdict = await this.#hear(mail, asking, recipient.address);
    if (verdict.kind === 'accept') mail.heard.push(recipient.address);
    return verdict;
  }

  /** Whether it is to see the content of this mail, or to say what becomes of it. */
  concerns({ findings }: Asking): boolean {
    const mail = this.#mail;
    if (this.#settled || mail?.findings !== findings || mail.heard.length === 0) return false;
    return mail.stand.kind !== 'done' && mail.stand.kind !== 'refused';
  }

  /** After `concerns` said so. `header` is what the mail has afterwards. */
  async inspect(
    inspected: Inspected,
    whole: Whole,
    room: BodyRoom,
  ): Promise<Refusal | (Changes & { readonly header: Buffer | null })> {
    const { header } = whole;
    const unchanged = { ...ACCEPT, header };
    const mail = this.#mail;
    if (!mail) return unchanged;
    if (mail.stand.kind === 'told' && header) {
      return this.#inspect(mail, inspected, { header, body: () => whole.body() }, room);
    }
    if (mail.stand.kind === 'told')
      mail.stand = { kind: 'failed', why: 'the header is too long to be shown' };
    const verdict = mail.stand.kind === 'failed' ? this.#failure(mail, mail.stand.why) : ACCEPT;
    if (mail.stand.kind === 'discard') this.#remove(mail, mail.heard);
    this.#over();
    return verdict.kind === 'accept' ? unchanged : verdict;
  }

  /** The mail came to nothing. */
  abort({ findings }: Asking): void {
    if (this.#mail?.findings === findings) this.#over();
  }

  closed(): void {
    this.#closed = true;
    this.#over();
    this.#hangUp();
  }

  async #inspect(mail: Mail, inspected: Inspected, shown: Shown, room: BodyRoom) {
    const client = this.#line?.client;
    if (!client) return { ...ACCEPT, header: shown.header };
    const facts = this.#facts(inspected, { id: inspected.id });
    const { said, changes } = await show(client, shown, facts, room).catch((fault: unknown) => {
      client.drop('its mail could not be read');
      return { said: { kind: 'lost', why: String(fault) } as const, changes: [] };
    });
    const verdict = this.#judge('content', said, mail);
    const discarded = mail.stand.kind === 'discard';
    if (discarded) this.#remove(mail, mail.heard);
    this.#over();
    if (verdict.kind !== 'accept') return verdict;
    const unchanged = { ...ACCEPT, header: shown.header };
    if (discarded) return unchanged;
    if (!changes) {
      const failure = this.#failure(mail, 'no room for another body');
      return failure.kind === 'accept' ? unchanged : failure;
    }
    return this.#made(make(changes, shown.header, client.options.leadingSpace), mail, inspected, changes);
  }

  #made(made: Made, mail: Mail, { id }: Inspected, changes: readonly Change[]) {
    const { edits, header, body, removed, quarantine, ignored } = made;
    const { findings } = mail;
    if (quarantine !== undefined) findings.quarantine ??= `${this.#label}: ${quarantine || 'quarantined'}`;
    this.#remove(mail, removed);
    for (const what of ignored) findings.mark(`${this.#label} asked for ${what}`);
    if (changes.length > 0) {
      const milter = this.#filter.rule.name;
      this.#log.info('mail changed', { mail: id, milter, fields: edits.length, body: body !== undefined });
    }
    return { ...ACCEPT, edits, header, ...(body && { body }) };
  }

  /** As it wrote them; only those that it has heard of. */
  #remove(mail: Mail, addresses: readonly string[]): void {
    for (const address of addresses) {
      const same = mail.heard.filter((one) => one.toLowerCase() === address.toLowerCase());
      for (const one of same) mail.findings.removed.set(one, this.#label);
    }
  }

  /** Tells of a new mail, and before of what it does not know yet. */
  async #begin(asking: Asking): Promise<Mail> {
    this.#over();
    const mail: Mail = { findings: asking.findings, stand: { kind: 'told' }, heard: [] };
    this.#mail = mail;
    if (!this.#settled) await this.#introduce(asking, mail);
    const client = this.#line?.client;
    if (this.#settled || mail.stand.kind !== 'told' || !client) return mail;
    const macros = macrosFor('mail', client.options, this.#facts(asking));
    const { sender } = asking.mail;
    this.#judge('mail', await client.mail(sender, parametersOf(asking), macros), mail);
    return mail;
  }

  /** A connection to it, that knows of the client. */
  async #introduce(asking: Asking, mail: Mail): Promise<void> {
    if (this.#line?.client.lost) this.#hangUp();
    this.#line ??= await this.#open(mail);
    const client = this.#line?.client;
    if (!client) return;
    const { manner, findings } = asking;
    const { address, port } = this.#visit.peer;
    const facts = this.#facts(asking);
    if (this.#helo === null) {
      const name = findings.clientName === undefined ? {} : { name: findings.clientName };
      const macros = macrosFor('connect', client.options, facts);
      this.#judge('connect', await client.connect({ ...name, address, port }, macros), mail);
    }
    if (this.#settled || mail.stand.kind !== 'told' || this.#helo === manner.helo) return;
    this.#helo = manner.helo;
    this.#judge('helo', await client.helo(manner.helo, macrosFor('helo', client.options, facts)), mail);
  }

  async #open(mail: Mail): Promise<Line | null> {
    const line = await this.#filter.open();
    if (typeof line !== 'string' && !this.#closed) return line;
    if (typeof line !== 'string') this.#filter.close(line);
    mail.stand = { kind: 'failed', why: typeof line === 'string' ? line : 'the client has gone' };
    return null;
  }

  async #hear(mail: Mail, asking: Asking, recipient: string): Promise<Verdict> {
    if (this.#settled) return this.#settled;
    switch (mail.stand.kind) {
      case 'done':
      case 'discard':
        return ACCEPT;
      case 'refused':
        return mail.stand.refusal;
      case 'failed':
        return this.#failure(mail, mail.stand.why);
      case 'told': {
        const client = this.#line?.client;
        if (!client) return this.#fail('the connection is gone', mail);
        const macros = macrosFor('rcpt', client.options, this.#facts(asking, { recipient }));
        return this.#judge('rcpt', await client.rcpt(recipient, [], macros), mail);
      }
      default:
        return mail.stand satisfies never;
    }
  }

  #judge(step: Step, said: Said, mail: Mail): Verdict {
    const ofConnection = step === 'connect' || step === 'helo';
    // That it goes on may be no answer at all (`Options.answers`), but for the end of a mail.
    const answered = said.kind !== 'continue' || step === 'content';
    if (said.kind !== 'lost' && answered) this.#filter.worked();
    switch (said.kind) {
      case 'continue':
      case 'skip':
        return ACCEPT;
      case 'accept':
        if (ofConnection) this.#settle(ACCEPT);
        else mail.stand = DONE;
        return ACCEPT;
      case 'discard':
        // As libmilter has it: nothing that can be said of a connection.
        if (!ofConnection) mail.stand = { kind: 'discard' };
        return ACCEPT;
      case 'lost':
        return this.#fail(said.why, mail);
      default: {
        const refusal = refusalOf(said, `${this.#label}, of ${step}`);
        if (ofConnection) this.#settle(refusal);
        else if (step === 'mail') mail.stand = { kind: 'refused', refusal };
        return refusal;
      }
    }
  }

  /** Nothing more is to be told on this connection. */
  #settle(verdict: Verdict): void {
    this.#settled = verdict;
    this.#hangUp();
  }

  #fail(why: string, mail: Mail): Verdict {
    // That we hung up ourselves says nothing of it.
    if (!this.#closed) this.#filter.failed(why);
    mail.stand = { kind: 'failed', why };
    this.#hangUp();
    return this.#failure(mail, why);
  }

  #failure({ findings }: Mail, why: string): Verdict {
    switch (this.#filter.rule.onFailure) {
      case 'accept':
        findings.mark(`${this.#label} not asked`);
        return ACCEPT;
      case 'defer':
        return defer(451, '4.7.1', UNAVAILABLE, `${this.#label} failed: ${why}`);
      case 'quarantine':
        findings.quarantine ??= `${this.#label} failed: ${why}`;
        return ACCEPT;
    }
  }

  /** The mail is over, whatever became of it. */
  #over(): void {
    if (this.#mail) this.#line?.client.abort();
    this.#mail = null;
  }

  #hangUp(): void {
    if (this.#line) this.#filter.close(this.#line);
    this.#line = null;
    this.#helo = null;
  }

  #facts({ manner, mail, findings }: Asking, more: Pick<Facts, 'id' | 'recipient'> = {}): Facts {
    const name = findings.clientName === undefined ? {} : { clientName: findings.clientName };
    return { hostname: this.#hostname(), peer: this.#visit.peer, manner, mail, ...name, ...more };
  }
}

/** As they stood in the MAIL command. */
function parametersOf({ mail, manner }: Asking): string[] {
  if (!manner.esmtp) return [];
  return [
    ...(mail.size === undefined ? [] : [`SIZE=${mail.size}`]),
    ...(mail.body === '8bitmime' ? ['BODY=8BITMIME'] : []),
    ...(mail.smtputf8 ? ['SMTPUTF8'] : []),
    ...(mail.ret ? [`RET=${mail.ret}`] : []),
    ...(mail.envid === undefined ? [] : [`ENVID=${mail.envid}`]),
  ];
}

type Refusing = Exclude<Said, { readonly kind: 'continue' | 'skip' | 'accept' | 'discard' | 'lost' }>;

function refusalOf(said: Refusing, why: string): Refusal {
  if (said.kind === 'reply') {
    const { reply } = said;
    return { kind: reply.code >= 500 ? 'reject' : 'defer', reply, why };
  }
  if (said.kind === 'shutdown') return defer(421, '4.7.0', 'Closing the connection', why);
  return said.kind === 'reject'
    ? reject(550, '5.7.1', 'Command rejected', why)
    : defer(451, '4.7.1', UNAVAILABLE, why);
}
