/**
 * The way `mailbox`: a site's queue as a POP3 maildrop. Answers the POP3 engine's port: who has
 * proved who he is gets the queue of the site that he may act for, for as long as nobody else has it.
 *
 * Promises: one holder at a time (the queue's lease); a session sees the queue as it was when it
 * began, so mail that arrives meanwhile is there at the next one. RFC 1939 §4 (the lock), §8.
 */
import { type Clock, DAY } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import type { Login, Maildrops, Opened } from '../../protocol/pop3/maildrop.ts';
import type { Mailbox, Site } from '../../site/site.ts';
import type { Lease, QueueName, Spool } from '../../spool/port.ts';
import { QueueMaildrop } from './maildrop.ts';
import { snapshot } from './snapshot.ts';

/** A queue's lease for the time of a session. */
export interface Lent {
  readonly kind: 'lent';
  readonly lease: Lease;
  /** Called once, with what was handed over. Never rejects. */
  end(counts: { readonly mails: number; readonly octets: number }): Promise<void>;
}
export type Lender = (
  queue: QueueName,
  by: string,
) => Promise<Lent | { readonly kind: 'not lent'; readonly text: string }>;

export interface MailboxesOptions {
  readonly spool: Spool;
  readonly lend: Lender;
  /** As the configuration is now. */
  readonly siteOf: (name: string) => Site | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

export class Mailboxes implements Maildrops {
  readonly #options: MailboxesOptions;

  constructor(options: MailboxesOptions) {
    this.#options = options;
  }

  async open(login: Login): Promise<Opened> {
    const { spool, lend, clock, log } = this.#options;
    const { name, address } = login;
    const site = this.#siteFor(login);
    if (!site) {
      log.warn('no mailbox for a login', { login: name, peer: address, sites: login.sites });
      return { kind: 'none' };
    }
    const lent = await lend(site.name, `POP3 session of ${name} at ${address}`);
    if (lent.kind === 'not lent') {
      log.info('mailbox in use', { queue: site.name, login: name, peer: address, why: lent.text });
      return { kind: 'busy' };
    }
    try {
      const { collect } = site;
      const begun = clock.monotonic();
      const messages = await snapshot(spool, lent.lease, collect);
      const ms = Math.round(clock.monotonic() - begun);
      log.info('mailbox opened', {
        queue: site.name,
        login: name,
        peer: address,
        messages: messages.length,
        ms,
      });
      const days = Math.max(1, Math.floor(site.hold / DAY));
      return new QueueMaildrop({ spool, lent, messages, collect, days, login, log });
    } catch (fault) {
      await lent.end({ mails: 0, octets: 0 });
      throw fault;
    }
  }

  /** The site that has the login's name, else the only one that collects by mailbox. */
  #siteFor(login: Login): (Site & { readonly collect: Mailbox }) | null {
    const sites = login.sites.flatMap((name) => {
      const site = this.#options.siteOf(name);
      const collect = site?.collect;
      return site && collect?.kind === 'mailbox' ? [{ ...site, collect }] : [];
    });
    const [only = null, ...more] = sites;
    return sites.find((site) => site.name === login.name) ?? (more.length === 0 ? only : null);
  }
}
