/**
 * The gate's checks of connections, in their order, and how they are asked one after the other: the first
 * refusal counts. The checks that need no more than the envelope and the configuration are in `pipeline.ts`.
 */
import { type Soon, then } from '../base/soon.ts';
import type { Manner } from '../protocol/smtp/session.ts';
import type { AskedRecipient, Asking, Check, Complete, Visit, Watch } from './check.ts';
import { ACCEPT, type Refusal, type Verdict } from './verdict.ts';

export class Gate {
  readonly #checks: readonly Check[];

  /** `checks`: in the order in which they are asked. */
  constructor(checks: readonly Check[]) {
    this.#checks = checks;
  }

  begin(visit: Visit): GateVisit {
    return new GateVisit(this.#checks.flatMap((check) => check.begin(visit) ?? []));
  }
}

/** One connection at the gate. */
export class GateVisit {
  readonly #watches: readonly Watch[];

  constructor(watches: readonly Watch[]) {
    this.#watches = watches;
  }

  connect(): Soon<Verdict> {
    return this.#ask((watch) => watch.connect?.());
  }

  early(): void {
    for (const watch of this.#watches) watch.early?.();
  }

  hello(manner: Manner): Soon<Verdict> {
    return this.#ask((watch) => watch.hello?.(manner));
  }

  mail(asking: Asking): Soon<Verdict> {
    return this.#ask((watch) => watch.mail?.(asking));
  }

  rcpt(asking: Asking, recipient: AskedRecipient): Soon<Verdict> {
    return this.#ask((watch) => watch.rcpt?.(asking, recipient));
  }

  taken(asking: Asking, recipient: AskedRecipient): Soon<Verdict> {
    return this.#ask((watch) => watch.taken?.(asking, recipient));
  }

  arrived(mail: Complete): Soon<Verdict> {
    return this.#ask((watch) => watch.arrived?.(mail));
  }

  refused(refusal: Refusal): void {
    for (const watch of this.#watches) watch.refused?.(refusal);
  }

  accepted(mail: Complete): void {
    for (const watch of this.#watches) watch.accepted?.(mail);
  }

  closed(): void {
    for (const watch of this.#watches) watch.closed?.();
  }

  #ask(question: (watch: Watch) => Soon<Verdict> | undefined, from = 0): Soon<Verdict> {
    for (let at = from; at < this.#watches.length; at++) {
      const watch = this.#watches[at];
      const verdict = watch && question(watch);
      if (verdict === undefined) continue;
      if (verdict instanceof Promise) {
        return then(verdict, (known) => (known.kind === 'accept' ? this.#ask(question, at + 1) : known));
      }
      if (verdict.kind !== 'accept') return verdict;
    }
    return ACCEPT;
  }
}

/** For what comes by no connection: nobody is asked. */
export const UNGUARDED = new GateVisit([]);
