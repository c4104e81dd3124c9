/**
 * One connection as the lists see it: its address and name are asked about at once, what it says of itself when it says
 * it, and the first recipient of a mail waits for the answers. RFC 5782 §2, §3.
 */
import { isIPv6 } from 'node:net';
import type { Clock } from '../../base/clock.ts';
import { all, type Soon, then } from '../../base/soon.ts';
import type { BlocklistSettings } from '../../config/blocklists.ts';
import { verifiedName } from '../../dns/client-name.ts';
import type { Resolver } from '../../dns/port.ts';
import { canonicalDomain, domainOf } from '../../mail/address.ts';
import type { Manner } from '../../protocol/smtp/session.ts';
import type { AskedRecipient, Asking, Watch } from '../check.ts';
import { ACCEPT, type Verdict } from '../verdict.ts';
import { denial, type Judgement, judge, type Reply, type Subject } from './judge.ts';
import type { List } from './list.ts';
import { labelsOf } from './points.ts';

export interface Lists {
  readonly settings: BlocklistSettings;
  readonly lists: readonly List[];
  readonly names: Resolver;
  readonly clock: Clock;
}

const NOTHING: readonly Reply[] = [];
type Replies = Soon<readonly Reply[]>;

export class BlocklistWatch implements Watch {
  readonly #world: Lists;
  readonly #address: Replies;
  readonly #name: Replies;
  #clientName: string | undefined;
  #helo: { name: string; replies: Replies } = { name: '', replies: NOTHING };
  #sender: Replies = NOTHING;
  /** Of the mail that is under way. */
  #verdict: { asking: Asking; verdict: Soon<Verdict> } | undefined;

  constructor(address: string, world: Lists) {
    this.#world = world;
    const sort = isIPv6(address) ? 'ipv6' : 'ipv4';
    const subject: Subject = { kind: 'address', sort, text: address, labels: labelsOf(sort, address) };
    this.#address = this.#ask(subject, world.settings.deadline);
    this.#name = this.#wanted('client-name') ? this.#askName(address) : NOTHING;
  }

  hello({ helo }: Manner): Verdict {
    if (helo !== this.#helo.name) this.#helo = { name: helo, replies: this.#askDomain('helo', helo) };
    return ACCEPT;
  }

  mail({ mail }: Asking): Verdict {
    this.#sender = this.#askDomain('sender', domainOf(mail.sender));
    return ACCEPT;
  }

  rcpt(asking: Asking, { postmaster }: AskedRecipient): Soon<Verdict> {
    if (asking.manner.authenticated || asking.sending) return ACCEPT;
    const verdict = this.#judged(asking);
    // RFC 5321 §4.5.1: whom a list denies by mistake has somebody to tell.
    return postmaster ? then(verdict, () => ACCEPT) : verdict;
  }

  /** All recipients of a mail hear the same. */
  #judged(asking: Asking): Soon<Verdict> {
    if (this.#verdict?.asking === asking) return this.#verdict.verdict;
    const replies = all([this.#address, this.#name, this.#helo.replies, this.#sender]);
    const kept = { asking, verdict: then(replies, (each) => this.#judge(asking, each.flat())) };
    this.#verdict = kept;
    return then(kept.verdict, (verdict) => {
      kept.verdict = verdict;
      return verdict;
    });
  }

  #judge({ findings }: Asking, replies: readonly Reply[]): Soon<Verdict> {
    if (this.#clientName !== undefined) findings.clientName = this.#clientName;
    const judged = judge(replies, this.#world.settings.threshold);
    if (judged.kind === 'denied') return this.#deny(judged, findings);
    if (judged.allowedBy !== undefined) findings.allowedBy = judged.allowedBy;
    if (judged.kind === 'marked') findings.mark(judged.mark);
    return ACCEPT;
  }

  async #deny(
    judged: Extract<Judgement, { kind: 'denied' }>,
    findings: Asking['findings'],
  ): Promise<Verdict> {
    // Mail to a postmaster passes: its mark says what the others heard.
    findings.mark(judged.why);
    const { list, subject } = judged.first;
    const speaker = this.#world.lists.find((each) => each.settings === list);
    return denial(judged, this.#world.settings.action, await speaker?.reason(subject.labels));
  }

  #wanted(kind: Subject['kind']): boolean {
    return this.#world.lists.some(({ settings }) => settings.kinds.includes(kind));
  }

  /** The lists of this kind. `patience`: milliseconds. */
  #ask(subject: Subject, patience: number): Replies {
    const replies: Soon<Reply>[] = [];
    for (const list of this.#world.lists) {
      if (!list.settings.kinds.includes(subject.kind) || !list.takes(subject.sort)) continue;
      const said = list.ask(subject.sort, subject.labels, patience);
      replies.push(then(said, (known) => ({ list: list.settings, subject, said: known })));
    }
    return replies.length > 0 ? all(replies) : NOTHING;
  }

  #askDomain(kind: 'helo' | 'sender', written: string): Replies {
    const name = askable(written);
    if (name === undefined || !this.#wanted(kind)) return NOTHING;
    return this.#ask({ kind, sort: 'name', text: name, labels: name }, this.#world.settings.deadline);
  }

  /** Its name and what the lists know of it, within one deadline. */
  #askName(address: string): Promise<readonly Reply[]> {
    const { clock, names, settings } = this.#world;
    const end = clock.monotonic() + settings.deadline;
    return new Promise((resolve) => {
      const timer = clock.after(settings.deadline, () => resolve(NOTHING));
      void verifiedName(names, address).then((name) => {
        timer.cancel();
        if (name === undefined) return resolve(NOTHING);
        this.#clientName = name;
        // The reverse zone is the stranger's: who is slow there must not make a list look silent.
        const left = end - clock.monotonic();
        if (left < settings.deadline / 2) return resolve(NOTHING);
        const subject: Subject = { kind: 'client-name', sort: 'name', text: name, labels: name };
        resolve(this.#ask(subject, left));
      });
    });
  }
}

/** What can be looked up as a domain: no address, no single label (RFC 5782 §3). */
function askable(written: string): string | undefined {
  const name = canonicalDomain(written);
  return /^[a-z0-9_-]+(\.[a-z0-9_-]+)*\.[a-z0-9-]*[a-z][a-z0-9-]*$/.test(name) ? name : undefined;
}
