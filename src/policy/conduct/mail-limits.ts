/**
 * Limits of mails, recipients, errors and octets (`limits.ts`). They are looked at with each recipient: not before it is
 * known to which site the mail goes, and behind SPF. Who has made too many errors hears 450 to all recipients, also to
 * valid ones: a harvester learns nothing more.
 */
import type { AskedRecipient, Asking, Check, Complete, Visit, Watch } from '../check.ts';
import type { Refusal } from '../verdict.ts';
import { ACCEPT, defer, type Verdict } from '../verdict.ts';
import type { Kind, LimitTable, Scope } from './limits.ts';
import { isNamed } from './stranger.ts';

export class MailLimits implements Check {
  readonly name = 'mail limits';
  readonly #table: LimitTable;

  constructor(table: LimitTable) {
    this.#table = table;
  }

  begin(visit: Visit): Watch | undefined {
    return this.#table.isLimited(visit) ? new MailLimitsWatch(this.#table, visit.peer.address) : undefined;
  }
}

class MailLimitsWatch implements Watch {
  readonly #table: LimitTable;
  readonly #client: Scope;
  readonly #network: Scope;
  #mail:
    | { readonly asking: Asking; readonly sender: Scope | undefined; readonly sites: string[] }
    | undefined;
  #favoured: Asking | undefined;

  constructor(table: LimitTable, address: string) {
    this.#table = table;
    this.#client = table.client(address);
    this.#network = table.network(address);
  }

  rcpt(asking: Asking, { site, postmaster }: AskedRecipient): Verdict {
    if (postmaster || isNamed(asking)) return ACCEPT;
    const now = this.#table.world.clock.monotonic();
    const name = site?.name ?? '';
    if (this.#isFavoured(asking, name)) return this.#favour(asking, now);
    if (this.#mail?.asking !== asking) {
      this.#mail = { asking, sender: this.#table.sender(asking.mail.sender), sites: [] };
    }
    const { sender, sites } = this.#mail;
    const ofSite = this.#table.site(name);
    const first = sites.length === 0;
    const firstOfSite = !sites.includes(name);
    const why =
      over(this.#client, first, now) ??
      over(this.#network, first, now) ??
      over(sender, first, now) ??
      over(ofSite, firstOfSite, now);
    if (why !== undefined) return later(why);
    if (firstOfSite) sites.push(name);
    spend(this.#client, first, now);
    spend(this.#network, first, now);
    spend(sender, first, now);
    spend(ofSite, firstOfSite, now);
    return ACCEPT;
  }

  /** Its site's primary takes no mail at the moment, and the sender's domain says that it comes from there, or an allow list has it. */
  #isFavoured({ findings }: Asking, site: string): boolean {
    const { standings } = this.#table.world;
    const good = findings.authentication?.spf?.result === 'pass' || findings.allowedBy !== undefined;
    return good && standings.standing(site)?.up !== true;
  }

  #favour(asking: Asking, now: number): Verdict {
    if (this.#favoured === asking) return ACCEPT;
    const why = this.#client.overFavour(now);
    if (why !== undefined) return later(why);
    this.#favoured = asking;
    this.#client.spendFavour(now);
    return ACCEPT;
  }

  refused({ kind }: Refusal): void {
    if (kind !== 'reject') return;
    const now = this.#table.world.clock.monotonic();
    this.#client.spend('errors', now);
    this.#network.spend('errors', now);
  }

  accepted({ size, mail, recipients, findings }: Complete): void {
    // What is favoured through and through is counted as mails only.
    if (this.#mail?.asking.findings !== findings) return;
    const now = this.#table.world.clock.monotonic();
    this.#client.spend('bytes', now, size);
    this.#network.spend('bytes', now, size);
    this.#table.sender(mail.sender)?.spend('bytes', now, size);
    for (const site of new Set(recipients.flatMap((r) => r.site?.name ?? []))) {
      this.#table.site(site)?.spend('bytes', now, size);
    }
    this.#mail = undefined;
  }
}

const EACH: readonly Kind[] = ['recipients', 'errors', 'bytes'];

function over(scope: Scope | undefined, first: boolean, now: number): string | undefined {
  if (!scope) return undefined;
  const mails = first ? scope.over('mails', now) : undefined;
  if (mails !== undefined) return mails;
  for (const kind of EACH) {
    const why = scope.over(kind, now);
    if (why !== undefined) return why;
  }
  return undefined;
}

function spend(scope: Scope | undefined, first: boolean, now: number): void {
  if (first) scope?.spend('mails', now);
  scope?.spend('recipients', now);
}

const later = (why: string): Verdict =>
  defer(450, '4.7.1', 'Too much from you for now; try again later', why);
