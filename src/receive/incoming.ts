/**
 * The content of one mail on its way into the spool: counts it, keeps its header to look at,
 * and at its end puts our Received field above it and commits.
 *
 * Promises: 250 is said only after the spool resolved `commit` (promise 1); what is refused,
 * aborted or too large leaves nothing; each octet is passed on as it came and looked at once,
 * and none is looked at behind the header. What is put to the site's primary (`through/`) is given to it from the
 * draft at its end, as it would be held; 250 is said after its 250, and then nothing is committed.
 */
import type { Fields } from '../base/log.ts';
import { type Soon, then } from '../base/soon.ts';
import type { Origin } from '../mail/envelope.ts';
import { HeaderCollector } from '../mail/header.ts';
import { buildReceived, receivedWith } from '../mail/received.ts';
import { describe, type Reply, reply } from '../mail/reply.ts';
import type { Asking, Complete, Visit } from '../policy/check.ts';
import type { GateVisit } from '../policy/gate.ts';
import { spoolRefusal } from '../policy/room.ts';
import { smallestLimit } from '../policy/size.ts';
import { defer, type Refusal, type Verdict } from '../policy/verdict.ts';
import type { Peer } from '../protocol/engine.ts';
import type { ContentSink } from '../protocol/smtp/session.ts';
import type { Committed, Draft } from '../spool/port.ts';
import { Inspections } from './inspections.ts';
import type { Receiving } from './receiver.ts';
import { mailRefused, who } from './telling.ts';
import type { Taken, ThroughMail } from './through/mail.ts';
import type { Transaction } from './transaction.ts';

export class IncomingMail implements ContentSink {
  readonly #receiving: Receiving;
  readonly #peer: Peer;
  readonly #transaction: Transaction;
  readonly #draft: Draft;
  readonly #gate: GateVisit;
  readonly #inspections?: Inspections;
  readonly #through?: ThroughMail;
  readonly #limit: number;
  readonly #header = new HeaderCollector();
  #inHeader = true;
  #size = 0;
  /** open → ended (by `end`) or dropped (too large, aborted). Only an open one has a living draft. */
  #state: 'open' | 'ended' | 'dropped' = 'open';

  /** `through`: it is to be put to the site's primary. */
  constructor(
    receiving: Receiving,
    visit: Visit,
    transaction: Transaction,
    draft: Draft,
    gate: GateVisit,
    through?: ThroughMail,
  ) {
    if (through) this.#through = through;
    this.#receiving = receiving;
    this.#peer = visit.peer;
    this.#transaction = transaction;
    this.#draft = draft;
    this.#gate = gate;
    const inspected = { ...this.#asking(), visit, id: draft.id, recipients: transaction.asked };
    const inspections = receiving.inspectors.flatMap((inspector) => inspector.begin(inspected) ?? []);
    if (inspections.length > 0) this.#inspections = new Inspections(inspections, draft);
    const { settings, primaries } = receiving;
    const sites = transaction.parts.flatMap((part) => part.site ?? []);
    this.#limit = smallestLimit(
      settings().sizeLimit,
      sites.map((site) => primaries.capabilities(site)),
    );
  }

  #asking(): Asking {
    const { mail, manner, sending, findings } = this.#transaction;
    return { mail, manner, ...(sending && { sending }), findings };
  }

  write(chunk: Uint8Array): Promise<void> | void {
    this.#size += chunk.byteLength;
    // The peer does not know yet: RFC 5321 has no way to stop it before the end of data.
    if (this.#size > this.#limit) this.#drop();
    if (this.#state !== 'open') return;
    if (this.#inHeader) this.#inHeader = this.#header.add(chunk);
    return this.#inspections ? this.#inspections.write(chunk, this.#inHeader) : this.#draft.write(chunk);
  }

  end(): Soon<Reply> {
    const scan = this.#header.scan();
    const received = this.#received();
    const complete = { ...this.#asking(), recipients: this.#transaction.asked, scan, size: this.#size };
    return then(this.#judge(complete, received.byteLength), (verdict) => {
      if (verdict.kind !== 'accept') return this.#refuse(verdict);
      if (!this.#inspections) return this.#commit(complete, received);
      return this.#inspect(this.#inspections, complete, received);
    });
  }

  async #inspect(inspections: Inspections, complete: Complete, received: Buffer): Promise<Reply> {
    const passed = await inspections.end();
    if (passed.kind !== 'passed') return this.#refuse(passed);
    if (passed.unchanged) complete.findings.mark('header too long to be changed');
    return this.#commit(complete, received, passed.header);
  }

  #refuse(refusal: Refusal): Reply {
    this.#drop();
    if (refusal.trouble !== undefined) {
      this.#receiving.events.loop(refusal.trouble, this.#peer.address, refusal.why);
    }
    return this.#refused(refusal);
  }

  abort(): void {
    this.#drop();
  }

  #drop(): void {
    if (this.#state !== 'open') return;
    this.#state = 'dropped';
    this.#inspections?.abort();
    void this.#draft.abort();
  }

  #judge(complete: Complete, head: number): Soon<Verdict> {
    const { policy, primaries, key, directory } = this.#receiving;
    const transaction = this.#transaction;
    const { scan } = complete;
    const { courier } = transaction.manner;
    const arrived = {
      scan,
      key,
      size: this.#size + head,
      limit: this.#limit,
      from: courier ? [courier.site] : primaries.sitesAt(this.#peer.address),
      parts: transaction.parts.map((part) => ({ ...part, utf8: transaction.utf8(part, scan.charset) })),
    };
    return then(policy.arrived(arrived, complete, this.#gate), (verdict) => {
      if (verdict.kind !== 'accept' || transaction.routedBy(directory())) return verdict;
      return defer(451, '4.3.5', 'The configuration has changed, try again', 'a reload moved a recipient');
    });
  }

  /** `header`: the mail's own, if it was kept back. */
  async #commit(complete: Complete, received: Buffer, header?: Buffer): Promise<Reply> {
    const transaction = this.#transaction;
    const { fields, removed } = complete.findings;
    transaction.drop(removed);
    if (transaction.parts.length === 0) return this.#discard(complete);
    this.#state = 'ended';
    const above = [
      received,
      ...fields.map((field) => Buffer.from(field, 'utf8')),
      ...(header ? [header] : []),
    ];
    const head = above.length === 1 ? received : Buffer.concat(above);
    const through = await this.#putThrough(complete, head);
    if (through) return through;
    const origin = this.#origin();
    const entries = transaction.parts.map((part) => transaction.entry(part, complete.scan.charset, origin));
    try {
      const done = await this.#draft.commit(head, entries);
      if (done.kind === 'refused') return this.#refused(spoolRefusal(done));
      this.#accepted(done, complete, this.#draft.written + head.byteLength);
      return this.#ok();
    } catch (fault) {
      this.#receiving.log.error('commit failed', { mail: this.#draft.id, why: String(fault) });
      return this.#refused(spoolRefusal({ kind: 'refused', why: 'io', text: 'commit failed' }));
    }
  }

  /** The primary's last word on this mail; null: it is to be held. */
  async #putThrough(complete: Complete, head: Buffer): Promise<Reply | null> {
    const { quarantine, removed } = complete.findings;
    // An operator's rule comes first: it is not for the primary, or not for all that it was asked for.
    if (!this.#through || quarantine !== undefined || removed.size > 0) return null;
    const draft = this.#draft;
    const chunks = async function* () {
      yield head;
      yield* draft.read();
    };
    const given = await this.#through.give({ size: head.byteLength + draft.written, chunks });
    if (given.kind === 'hold') {
      if (given.perhaps) complete.findings.mark('the primary may have it already');
      this.#receiving.log.info('mail held', { mail: draft.id, why: given.why });
      return null;
    }
    void draft.abort();
    if (given.kind !== 'taken') return this.#refused(given);
    this.#passed(complete, head.byteLength + draft.written, given);
    return reply(250, '2.0.0', `Ok: passed on as ${draft.id}: ${given.words}`);
  }

  /** Nobody is to get it, by a rule of the operator's: the peer is told what it is always told. */
  #discard(complete: Complete): Reply {
    this.#drop();
    const { removed, marks } = complete.findings;
    this.#gate.accepted(complete);
    this.#receiving.log.info('mail discarded', {
      mail: this.#draft.id,
      ...who(this.#peer, this.#transaction),
      recipients: [...removed.keys()],
      why: [...new Set(removed.values())].join('; '),
      ...(marks.length > 0 && { marks }),
    });
    return this.#ok();
  }

  #ok(): Reply {
    return reply(250, '2.0.0', `Ok: held as ${this.#draft.id}`);
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
    const { manner, sending, findings } = this.#transaction;
    const { authenticated, forwarded } = manner;
    const { clientName, authentication, marks } = findings;
    return {
      kind: 'received',
      peer: this.#peer.address,
      helo: manner.helo,
      protocol: this.#protocol(),
      ...(authenticated && { authenticated: authenticated.login }),
      ...(sending && { sends: sending.name }),
      ...(forwarded && { forwarded }),
      ...(clientName !== undefined && { name: clientName }),
      ...(authentication && { authentication }),
      ...(marks.length > 0 && { marks }),
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

  /** The primary has it; nothing stays here. */
  #passed(complete: Complete, size: number, { host, reply }: Taken): void {
    this.#gate.accepted(complete);
    this.#receiving.log.info('mail passed on', {
      mail: this.#draft.id,
      ...this.#life(complete, size),
      host,
      reply: describe(reply),
    });
  }

  #accepted(done: Committed, complete: Complete, size: number): void {
    this.#gate.accepted(complete);
    this.#receiving.log.info('mail accepted', {
      mail: this.#draft.id,
      entries: done.entries,
      ...this.#life(complete, size),
    });
  }

  /** What the log tells of a mail that was taken. */
  #life(complete: Complete, size: number): Fields {
    const { manner, parts, recipients, refused, sending } = this.#transaction;
    const { marks, quarantine, authentication, removed } = complete.findings;
    return {
      queues: parts.map((part) => part.queue),
      ...who(this.#peer, this.#transaction),
      recipients,
      ...(refused.length > 0 && { refused: [...refused] }),
      size,
      protocol: this.#protocol(),
      ...(marks.length > 0 && { marks }),
      ...(authentication && { authentication }),
      ...(quarantine !== undefined && { quarantine }),
      ...(removed.size > 0 && { removed: [...removed].map(([address, by]) => `${address}: ${by}`) }),
      ...(sending && { sends: sending.name }),
      ...(manner.tls && { tls: `${manner.tls.version} ${manner.tls.cipher}` }),
    };
  }

  #refused(refusal: Refusal): Reply {
    this.#gate.refused(refusal);
    const fields = { mail: this.#draft.id, ...who(this.#peer, this.#transaction), size: this.#size };
    return mailRefused(this.#receiving.log, refusal, fields);
  }
}
