/**
 * One connection as `receive` sees it: asks policy at each step, says why in the log, and opens
 * the content of each mail. The engine keeps the order of commands; this file relies on it.
 *
 * Promises: nobody's recipient is taken without policy's word; when the connection is gone,
 * nothing of an unfinished mail stays.
 */
import { isIP } from 'node:net';
import { type Soon, then } from '../base/soon.ts';
import { describe, type Reply, reply } from '../mail/reply.ts';
import type { Visit } from '../policy/check.ts';
import { type GateVisit, UNGUARDED } from '../policy/gate.ts';
import type { Route } from '../policy/relay.ts';
import { spoolRefusal } from '../policy/room.ts';
import type { Giver } from '../policy/send.ts';
import type { Refusal, Verdict } from '../policy/verdict.ts';
import type { Peer } from '../protocol/engine.ts';
import type { ContentSink, MailCommand, Manner, RcptCommand, Session } from '../protocol/smtp/session.ts';
import type { Site } from '../site/site.ts';
import type { Draft, Refused } from '../spool/port.ts';
import { etrn } from './etrn.ts';
import { IncomingMail } from './incoming.ts';
import type { Receiving } from './receiver.ts';
import { mailRefused, who } from './telling.ts';
import type { Word } from './through/mail.ts';
import type { ThroughVisit } from './through/through.ts';
import { recipientOf, Transaction } from './transaction.ts';

const SENDER_OK = reply(250, '2.1.0', 'Sender ok');
const RECIPIENT_OK = reply(250, '2.1.5', 'Recipient ok');
const OUT_OF_ORDER = reply(503, '5.5.1', 'MAIL first');
// RFC 5321 §7.8: a server may end what looks like an attack. Each refusal costs a line of the log.
const TOO_MANY_REFUSED = reply(421, '4.7.0', 'Too many refused recipients');
/** Between two mails that came to their content. */
const REFUSED_LIMIT = 100;

export class ReceiveSession implements Session {
  readonly #receiving: Receiving;
  readonly #peer: Peer;
  readonly #visit: Visit;
  readonly #gate: GateVisit;
  readonly #through: ThroughVisit;
  #transaction: Transaction | undefined;
  #incoming: IncomingMail | undefined;
  #refused = 0;

  constructor(receiving: Receiving, peer: Peer) {
    this.#receiving = receiving;
    this.#peer = peer;
    const client = isIP(peer.address) !== 0;
    this.#visit = { peer, trusted: client && receiving.isPeer(peer.address) };
    this.#gate = client ? receiving.gate.begin(this.#visit) : UNGUARDED;
    this.#through = receiving.throughs.begin(this.#visit);
  }

  connect(): Soon<Reply | null> {
    const { log, primaries, events } = this.#receiving;
    const { address, port, via } = this.#peer;
    log.info('connection', { peer: address, port, ...(via && { via: `${via.by} ${via.address}` }) });
    for (const site of primaries.sitesAt(address)) events.signOfLife(site, address);
    return then(this.#gate.connect(), (verdict) => this.#welcome(verdict, ''));
  }

  early(): void {
    this.#gate.early();
  }

  hello(manner: Manner): Soon<Reply | null> {
    return then(this.#gate.hello(manner), (verdict) => this.#welcome(verdict, manner.helo));
  }

  #welcome(verdict: Verdict, helo: string): Reply | null {
    if (verdict.kind === 'accept') return null;
    const { reply, why } = verdict;
    this.#receiving.log.info('client refused', {
      peer: this.#peer.address,
      helo,
      reply: describe(reply),
      why,
    });
    this.#gate.refused(verdict);
    return reply;
  }

  mail(command: MailCommand, manner: Manner): Soon<Reply> {
    const { policy, directory } = this.#receiving;
    const sending = policy.sending(command.sender, giverOf(this.#peer, manner));
    const transaction = new Transaction(command, manner, directory(), sending);
    return then(policy.mail(transaction, this.#gate), (verdict) => {
      if (verdict.kind !== 'accept') return this.#mailRefused(verdict, transaction);
      this.#transaction = transaction;
      return SENDER_OK;
    });
  }

  #mailRefused(refusal: Refusal, transaction: Transaction): Reply {
    this.#gate.refused(refusal);
    return mailRefused(this.#receiving.log, refusal, who(this.#peer, transaction));
  }

  rcpt(command: RcptCommand): Soon<Reply> {
    const transaction = this.#transaction;
    if (!transaction) return OUT_OF_ORDER;
    const { localAddress } = this.#peer;
    const isPutTo = (site: Site) => this.#through.isPutTo(transaction, site);
    const said = { localAddress, isPutTo };
    const verdict = this.#receiving.policy.rcpt(command, transaction, said, this.#gate);
    return then(verdict, (known) => this.#judged(command, transaction, known));
  }

  #judged(command: RcptCommand, transaction: Transaction, verdict: Route | Refusal): Soon<Reply> {
    if (verdict.kind !== 'route') return this.#recipientRefused(command, transaction, verdict);
    const { whileUp } = this.#receiving;
    return then(whileUp.rcpt(verdict, transaction, this.#visit), (mayStay) => {
      if (mayStay.kind !== 'accept') return this.#recipientRefused(command, transaction, mayStay);
      const word = this.#through.rcpt(transaction, verdict, recipientOf(command, verdict));
      return then(word, (said) => this.#said(command, transaction, verdict, said));
    });
  }

  #said(command: RcptCommand, transaction: Transaction, route: Route, word: Word): Reply {
    if (word.kind === 'reject' || word.kind === 'defer') {
      return this.#recipientRefused(command, transaction, word);
    }
    if (word.kind === 'hold' && route.unasked) {
      const verdict = this.#receiving.policy.unasked(route, transaction);
      if (verdict.kind !== 'accept') return this.#recipientRefused(command, transaction, verdict);
    }
    transaction.add(command, route);
    return word.kind === 'yes' ? word.reply : RECIPIENT_OK;
  }

  #recipientRefused(command: RcptCommand, transaction: Transaction, verdict: Refusal): Reply {
    this.#receiving.log.info('recipient refused', {
      ...who(this.#peer, transaction),
      recipient: command.address,
      reply: describe(verdict.reply),
      why: verdict.why,
    });
    this.#gate.refused(verdict);
    transaction.refuse(command.address, verdict);
    this.#refused++;
    return this.#refused > REFUSED_LIMIT ? TOO_MANY_REFUSED : verdict.reply;
  }

  content(): Soon<ContentSink | Reply> {
    const transaction = this.#transaction;
    if (!transaction || transaction.parts.length === 0) return OUT_OF_ORDER;
    const size = transaction.mail.size;
    const draft = this.#receiving.spool.draft({
      ...(size !== undefined && { size }),
      queues: transaction.parts.map((part) => part.queue),
    });
    return then(draft, (begun) => this.#begun(transaction, begun));
  }

  #begun(transaction: Transaction, draft: Draft | Refused): ContentSink | Reply {
    if (draft.kind === 'refused') return this.#mailRefused(spoolRefusal(draft), transaction);
    // The connection may have gone while the spool made room.
    if (this.#transaction !== transaction) {
      void draft.abort();
      return OUT_OF_ORDER;
    }
    this.#transaction = undefined;
    this.#refused = 0;
    const through = this.#through.mail(transaction);
    this.#incoming = new IncomingMail(this.#receiving, this.#visit, transaction, draft, this.#gate, through);
    return this.#incoming;
  }

  async etrn(argument: string, manner: Manner): Promise<Reply> {
    return etrn(this.#receiving, this.#peer.address, argument, manner);
  }

  reset(): void {
    this.#transaction = undefined;
    this.#incoming?.abort();
    this.#incoming = undefined;
  }

  closed(): void {
    this.reset();
    this.#through.closed();
    this.#gate.closed();
  }
}

/** A courier has no address that would prove anything. */
function giverOf(peer: Peer, { authenticated, courier }: Manner): Giver {
  if (courier) return { sites: [courier.site] };
  return { address: peer.address, sites: authenticated?.sites ?? [] };
}
