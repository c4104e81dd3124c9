/**
 * The content of one mail on its way into the spool: counts it, keeps its header to look at,
 * and at its end puts our Received field above it and commits.
 *
 * Promises: 250 is said only after the spool resolved `commit` (promise 1); what is refused,
 * aborted or too large leaves nothing; each octet is passed on as it came and looked at once,
 * and none is looked at behind the header.
 */
import type { Soon } from '../base/soon.ts';
import type { Origin } from '../mail/envelope.ts';
import { HeaderCollector, type HeaderScan } from '../mail/header.ts';
import { buildReceived, receivedWith } from '../mail/received.ts';
import { type Reply, reply } from '../mail/reply.ts';
import { spoolRefusal } from '../policy/room.ts';
import { smallestLimit } from '../policy/size.ts';
import { defer, type Refusal } from '../policy/verdict.ts';
import type { Peer } from '../protocol/engine.ts';
import type { ContentSink } from '../protocol/smtp/session.ts';
import type { Committed, Draft } from '../spool/port.ts';
import type { Receiving } from './receiver.ts';
import { mailRefused, who } from './telling.ts';
import type { Transaction } from './transaction.ts';

export class IncomingMail implements ContentSink {
  readonly #receiving: Receiving;
  readonly #peer: Peer;
  readonly #transaction: Transaction;
  readonly #draft: Draft;
  readonly #limit: number;
  readonly #header = new HeaderCollector();
  #inHeader = true;
  #size = 0;
  /** open → ended (by `end`) or dropped (too large, aborted). Only an open one has a living draft. */
  #state: 'open' | 'ended' | 'dropped' = 'open';

  constructor(receiving: Receiving, peer: Peer, transaction: Transaction, draft: Draft) {
    this.#receiving = receiving;
    this.#peer = peer;
    this.#transaction = transaction;
    this.#draft = draft;
    const { settings, primaries } = receiving;
    const sites = transaction.parts.flatMap((part) => part.site ?? []);
    this.#limit = smallestLimit(
      settings().sizeLimit,
      sites.map((site) => primaries.capabilities(site)),
    );
  }

  write(chunk: Uint8Array): Promise<void> | void {
    this.#size += chunk.byteLength;
    // The peer does not know yet: RFC 5321 has no way to stop it before the end of data.
    if (this.#size > this.#limit) this.#drop();
    if (this.#state !== 'open') return;
    if (this.#inHeader) this.#inHeader = this.#header.add(chunk);
    return this.#draft.write(chunk);
  }

  end(): Soon<Reply> {
    const scan = this.#header.scan();
    const head = this.#received();
    const verdict = this.#judge(scan, head.byteLength);
    if (verdict) {
      this.#drop();
      if (verdict.trouble !== undefined) {
        this.#receiving.events.loop(verdict.trouble, this.#peer.address, verdict.why);
      }
      return this.#refused(verdict);
    }
    this.#state = 'ended';
    return this.#commit(scan, head);
  }

  abort(): void {
    this.#drop();
  }

  #drop(): void {
    if (this.#state !== 'open') return;
    this.#state = 'dropped';
    void this.#draft.abort();
  }

  #judge(scan: HeaderScan, head: number): Refusal | undefined {
    const { policy, primaries, key, directory } = this.#receiving;
    const transaction = this.#transaction;
    const { courier } = transaction.manner;
    const verdict = policy.arrived({
      scan,
      key,
      size: this.#size + head,
      limit: this.#limit,
      from: courier ? [courier.site] : primaries.sitesAt(this.#peer.address),
      parts: transaction.parts.map((part) => ({ ...part, utf8: transaction.utf8(part, scan.charset) })),
    });
    if (verdict.kind !== 'accept') return verdict;
    if (transaction.routedBy(directory())) return undefined;
    return defer(451, '4.3.5', 'The configuration has changed, try again', 'a reload moved a recipient');
  }

  async #commit(scan: HeaderScan, head: Buffer): Promise<Reply> {
    const transaction = this.#transaction;
    const origin = this.#origin();
    const entries = transaction.parts.map((part) => transaction.entry(part, scan.charset, origin));
    try {
      const done = await this.#draft.commit(head, entries);
      if (done.kind === 'refused') return this.#refused(spoolRefusal(done));
      this.#accepted(done, head.byteLength);
      return reply(250, '2.0.0', `Ok: held as ${this.#draft.id}`);
    } catch (fault) {
      this.#receiving.log.error('commit failed', { mail: this.#draft.id, why: String(fault) });
      return this.#refused(spoolRefusal({ kind: 'refused', why: 'io', text: 'commit failed' }));
    }
  }

  #protocol(): string {
    const { mail, manner } = this.#transaction;
    const tls = manner.tls !== undefined;
    if (manner.courier) return manner.courier.protocol;
    return receivedWith({
      esmtp: manner.esmtp,
      tls,
      authenticated: manner.authenticated !== undefined,
      smtputf8: mail.smtputf8,
    });
  }

  #origin(): Origin {
    const { manner, sending } = this.#transaction;
    const { authenticated } = manner;
    return {
      kind: 'received',
      peer: this.#peer.address,
      helo: manner.helo,
      protocol: this.#protocol(),
      ...(authenticated && { authenticated: authenticated.login }),
      ...(sending && { sends: sending.name }),
    };
  }

  #received(): Buffer {
    const { settings, key, clock } = this.#receiving;
    const { manner, recipients } = this.#transaction;
    return buildReceived({
      helo: manner.helo,
      ...(!manner.courier && { peer: this.#peer.address }),
      hostname: settings().hostname,
      protocol: this.#protocol(),
      ...(manner.tls && { tls: manner.tls }),
      id: this.#draft.id,
      recipients,
      key,
      now: clock.now(),
    });
  }

  #accepted(done: Committed, head: number): void {
    const { manner, parts, recipients, sending } = this.#transaction;
    this.#receiving.log.info('mail accepted', {
      mail: this.#draft.id,
      entries: done.entries,
      queues: parts.map((part) => part.queue),
      ...who(this.#peer, this.#transaction),
      recipients,
      size: this.#size + head,
      protocol: this.#protocol(),
      ...(sending && { sends: sending.name }),
      ...(manner.tls && { tls: `${manner.tls.version} ${manner.tls.cipher}` }),
    });
  }

  #refused(refusal: Refusal): Reply {
    const fields = { mail: this.#draft.id, ...who(this.#peer, this.#transaction), size: this.#size };
    return mailRefused(this.#receiving.log, refusal, fields);
  }
}
