/**
 * One mail that is put to the site's primary while its sender waits: MAIL, each RCPT, the content.
 *
 *   open ──▶ held    the site's trouble, or a line that broke: from here on this mail is taken as while the site is down
 *   open ──▶ over    the primary has it, or has refused it
 *
 * Promises: a sender hears a refusal only if the primary said it of this mail (`primary/classify.ts` tells it from
 * the site's trouble); after a `hold` all recipients that were accepted are ours to keep; a mail is said to be `taken`
 * only by a 2yz to the dot. A line that was closed between two steps is replaced once, and what was said on it said
 * again; if that meets other answers the mail is held.
 *
 * RFC 5321 §3.3, §4.5.3.1.10.
 */
import type { Log } from '../../base/log.ts';
import type { Client } from '../../mail/client.ts';
import type { Envelope, Recipient } from '../../mail/envelope.ts';
import { describe, isPositive, type Reply, reply } from '../../mail/reply.ts';
import type { Said } from '../../policy/roster/view.ts';
import { defer, type Refusal } from '../../policy/verdict.ts';
import { isTooMany, judgeContent, judgeMail, judgeRcpt } from '../../primary/classify.ts';
import type { Offer } from '../../protocol/smtp/client/open.ts';
import type { StepContent } from '../../protocol/smtp/client/stepwise.ts';
import { type Heard, isLost, type Lost } from '../../protocol/smtp/client/wire.ts';
import type { Site } from '../../site/site.ts';
import type { Line, Lines } from './line.ts';
import { type Inner, passedOn, textOf } from './words.ts';

export interface Hold {
  readonly kind: 'hold';
  /** For the log. */
  readonly why: string;
  /** The primary may have it all the same. */
  readonly perhaps?: true;
}
export type Word = { readonly kind: 'yes'; readonly reply: Reply } | Refusal | Hold;
/** The primary has it. */
export interface Taken {
  readonly kind: 'taken';
  /** For the sender. */
  readonly words: string;
  /** For the log. */
  readonly host: string;
  readonly reply: Reply;
}
export type Given = Taken | Refusal | Hold;

export interface ThroughParts {
  readonly site: Site;
  /** As the push client would give it. */
  readonly envelope: Omit<Envelope, 'recipients'>;
  /** As the sender declared it. */
  readonly size?: number;
  /** Who gives us the mail; the primary is told of him if the site wants that. Null: of nobody. */
  readonly client: Client | null;
  /** The sender's address on the net: it knows that. */
  readonly peer: string;
  readonly lines: Lines;
  readonly log: Log;
  /** Its refusals are not believed: asked when there is one. */
  isWary(): boolean;
  isKnownGood(address: string): boolean;
  /** What it said to a recipient, for the roster. */
  learn(said: Said): void;
  /** What is to be said of the client before MAIL, */
  forward(offer: Offer): readonly string[];
  /** and that the primary does not want to hear it. */
  unforwarded(why: string): void;
  /** The primary is in trouble: others need not ask it now. */
  trouble(why: string): void;
}

/** While the site is wary. */
const doubtful = (why: string): Refusal =>
  defer(451, '4.3.0', 'The primary mail exchanger gives a doubtful answer, try again later', `wary: ${why}`);

export class ThroughMail {
  readonly site: Site;
  readonly #parts: ThroughParts;
  readonly #accepted: Recipient[] = [];
  #state: 'open' | 'held' | 'over' = 'open';
  #line: Line | null = null;
  /** To MAIL: for all recipients. */
  #refused: Refusal | null = null;
  #again = true;

  constructor(parts: ThroughParts) {
    this.site = parts.site;
    this.#parts = parts;
  }

  get isOpen(): boolean {
    return this.#state === 'open';
  }

  /** Never rejects. */
  async rcpt(recipient: Recipient): Promise<Word> {
    const { lines } = this.#parts;
    lines.wake();
    const word = await this.#rcpt(recipient);
    lines.rest('mail');
    return word;
  }

  /** The content, to those who were accepted. Never rejects. */
  async give(content: StepContent): Promise<Given> {
    const { lines } = this.#parts;
    lines.wake();
    const given = await this.#give(content);
    if (given.kind !== 'hold') this.#state = 'over';
    lines.rest('over');
    return given;
  }

  async #rcpt(recipient: Recipient): Promise<Word> {
    const begun = await this.#begin();
    if (begun) return begun;
    const heard = await this.#say((line) => line.client.rcpt(recipient));
    if ('kind' in heard) return heard;
    if (isPositive(heard)) {
      this.#accepted.push(recipient);
      this.#parts.learn({ address: recipient.address });
      return { kind: 'yes', reply: reply(250, '2.1.5', ...this.#text(heard, recipient)) };
    }
    return this.#rcptRefused(heard, recipient);
  }

  #rcptRefused(heard: Reply, recipient: Recipient): Word {
    const why = `the primary: RCPT: ${describe(heard)}`;
    // RFC 5321 §4.5.3.1.10: 552 is meant as 452 here; the sender gives the rest in another transaction.
    if (isTooMany(heard)) {
      const later = { code: 452, enhanced: '4.5.3', text: heard.text };
      return { kind: 'defer', reply: passedOn(later, this.#inner(recipient)), why };
    }
    const envelope = { ...this.#parts.envelope, recipients: [recipient] };
    if (judgeRcpt(heard, envelope, this.#line?.named) === 'trouble') return this.#hold(why);
    if (this.#parts.isKnownGood(recipient.address)) {
      if (heard.code >= 500 && this.#parts.isWary()) return doubtful(why);
      // Of others nothing is learned by a refusal: only the verifier knows whether the primary takes anybody at all.
      this.#parts.learn({ address: recipient.address, refusal: heard });
    }
    return this.#refusal(heard, why, recipient);
  }

  async #give(content: StepContent): Promise<Given> {
    const begun = await this.#begin();
    if (begun) return begun.kind === 'hold' ? begun : this.#hold(begun.why);
    const line = this.#line;
    if (!line) return this.#hold('no line');
    const ended = await line.client.content(content);
    switch (ended.kind) {
      case 'unsent':
        return this.#hold(`the content is ${ended.why}`);
      case 'lost': {
        const hold = this.#lost(ended.lost, line);
        return ended.whole ? { ...hold, perhaps: true } : hold;
      }
      case 'answered':
        return this.#answered(ended.reply, line);
    }
  }

  #answered(heard: Reply, { host, named }: Line): Given {
    const words = this.#text(heard).join(' ');
    if (isPositive(heard)) return { kind: 'taken', words, host, reply: heard };
    const why = `the primary: content: ${describe(heard)}`;
    const envelope = { ...this.#parts.envelope, recipients: this.#accepted };
    const verdict = judgeContent(heard, envelope, named);
    if (verdict === 'trouble') return this.#hold(why);
    // Too many hops: no mail fails by it.
    if (verdict === 'deferred' && heard.code >= 500) {
      return this.#refusal({ code: 451, enhanced: '4.4.6', text: heard.text }, why);
    }
    // It took the recipients: so they are good, and what it says of itself is in doubt.
    if (heard.code >= 500 && this.#parts.isWary()) return doubtful(why);
    return this.#refusal(heard, why);
  }

  /** MAIL, and what was said before on a line that is gone. Null: the primary waits for more. */
  async #begin(): Promise<Refusal | Hold | null> {
    if (this.#refused) return this.#refused;
    if (this.#line && !this.#line.client.lost) return null;
    const first = this.#line === null;
    const why = this.#line?.client.lost?.text;
    if (!first && !this.#again) return this.#hold(`the line broke again: ${why}`);
    if (!first) this.#parts.log.info('primary asked again', { site: this.site.name, why });
    if (!first) this.#again = false;
    const mailed = await this.#mail();
    if (mailed) return first || mailed.kind === 'hold' ? mailed : this.#hold(mailed.why);
    for (const recipient of this.#accepted) {
      const heard = await this.#say((line) => line.client.rcpt(recipient));
      if ('kind' in heard) return heard;
      if (!isPositive(heard)) return this.#hold(`another answer than before: ${describe(heard)}`);
    }
    return null;
  }

  async #mail(): Promise<Refusal | Hold | null> {
    const { site, envelope, client, lines } = this.#parts;
    const line = await lines.to(site, client);
    if ('kind' in line) return this.#trouble(line.why);
    this.#line = line;
    // RFC 6531 §3.2: not without its consent. What becomes of a mail that needs it is the handover's to say.
    if (envelope.smtputf8 && !line.client.offer.smtpUtf8) return this.#hold('it does not offer SMTPUTF8');
    let heard = await this.#begun(line);
    // It was closed over there since the last mail, and we had not heard of it.
    if (isLost(heard) && (heard.lost === 'closed' || heard.lost === 'bye') && this.#again) {
      this.#again = false;
      const fresh = await lines.to(site, client);
      if ('kind' in fresh) return this.#trouble(fresh.why);
      this.#line = fresh;
      heard = await this.#begun(fresh);
    }
    if (isLost(heard)) return this.#lost(heard, this.#line);
    return isPositive(heard) ? null : this.#mailRefused(heard, this.#line);
  }

  #begun({ client, host }: Line): Promise<Heard> {
    const { envelope, size, forward, unforwarded } = this.#parts;
    return client.mail(envelope, size, forward(client.offer), (refusal) =>
      unforwarded(`${host}: XFORWARD: ${describe(refusal)}`),
    );
  }

  #mailRefused(heard: Reply, line: Line): Refusal | Hold {
    const why = `the primary: MAIL: ${describe(heard)}`;
    const envelope = { ...this.#parts.envelope, recipients: [] };
    const verdict = judgeMail(heard, envelope, line.client.offer.keywords.has('SIZE'), line.named);
    if (verdict !== 'failed' && verdict !== 'deferred') return this.#trouble(why);
    this.#refused = this.#refusal(heard, why);
    return this.#refused;
  }

  async #say(step: (line: Line) => Promise<Heard>): Promise<Reply | Hold> {
    const line = this.#line;
    if (!line) return this.#hold('no line');
    const heard = await step(line);
    return isLost(heard) ? this.#lost(heard, line) : heard;
  }

  #lost(lost: Lost, { host }: Line): Hold {
    // Given up by ourselves: that says nothing of the site.
    if (lost.lost === 'destroyed') return this.#hold(lost.text);
    return this.#trouble(`${host}: ${lost.text}`);
  }

  #trouble(why: string): Hold {
    this.#parts.trouble(why);
    return this.#hold(why);
  }

  #hold(why: string): Hold {
    if (this.#state === 'open') this.#parts.log.info('primary not asked', { site: this.site.name, why });
    this.#state = 'held';
    return { kind: 'hold', why };
  }

  #refusal(heard: Reply, why: string, recipient?: Recipient): Refusal {
    const kind = heard.code >= 500 ? 'reject' : 'defer';
    return { kind, reply: passedOn(heard, this.#inner(recipient)), why };
  }

  #text(heard: Reply, recipient?: Recipient): string[] {
    return textOf(heard, this.#inner(recipient));
  }

  #inner(recipient?: Recipient): Inner | null {
    const { site } = this;
    if (!site.hide) return null;
    const { envelope, peer } = this.#parts;
    const named = site.primary.kind === 'hosts' ? site.primary.hosts.map(({ host }) => host) : [];
    const all = recipient ? [recipient] : this.#accepted;
    return {
      names: [...(this.#line?.names ?? []), ...named],
      domains: site.domains,
      told: [envelope.sender, peer, ...all.map(({ address }) => address)],
    };
  }
}
