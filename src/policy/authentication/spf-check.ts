/**
 * SPF at the gate: begun at MAIL, known at the end of data at the latest. It refuses nobody: what it found goes
 * into the mail's findings, is kept with the mail, and gives its sender the right to be told (`notify/right.ts`).
 *
 * Not asked for `peers:` (their address is not the sender's) and for mail that a site sends by its rule.
 * RFC 7208 §2.4.
 */
import { isPromise } from 'node:util/types';
import { type Soon, then } from '../../base/soon.ts';
import type { Asking, Check, Visit, Watch } from '../check.ts';
import type { Findings } from '../findings.ts';
import { ACCEPT, type Verdict } from '../verdict.ts';
import type { Spf, SpfResult } from './spf.ts';

export class SpfCheck implements Check {
  readonly name = 'spf';
  readonly #spf: Pick<Spf, 'check'>;
  readonly #on: () => boolean;

  constructor(spf: Pick<Spf, 'check'>, on: () => boolean) {
    this.#spf = spf;
    this.#on = on;
  }

  begin({ peer, trusted }: Visit): Watch | undefined {
    if (trusted || !this.#on()) return undefined;
    return {
      mail: (asking) => this.#begin(peer.address, asking),
      arrived: ({ findings }): Soon<Verdict> =>
        findings.spf ? then(findings.spf, () => ACCEPT as Verdict) : ACCEPT,
    };
  }

  #begin(address: string, { mail, manner, sending, findings }: Asking): Verdict {
    if (sending) return ACCEPT;
    const result = this.#spf.check({ address, sender: mail.sender, helo: manner.helo });
    if (isPromise(result)) findings.spf = result.then((known) => note(findings, known));
    else note(findings, result);
    return ACCEPT;
  }
}

function note(findings: Findings, spf: SpfResult): void {
  findings.authentication = { ...findings.authentication, spf };
  if (spf.result === 'skipped') findings.mark('spf skipped: too many at once');
}
