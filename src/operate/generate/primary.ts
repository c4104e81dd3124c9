/**
 * `restante generate primary`: what a site's primary has to be told to trust us, for Postfix, Exim or rspamd. The primary sees
 * our address where it expects the sender's, so SPF, blocklists, greylisting and limits judge the wrong host.
 *
 * It promises: nothing that it writes opens a relay. We are never put among the primary's own networks; what is let through is
 * mail for domains that the primary takes anyway.
 */
import { type Generated, unusable } from './bundle.ts';
import { eximFiles } from './primary/exim.ts';
import { makeTrustPlan, type PrimaryGiven, type PrimaryWishes } from './primary/plan.ts';
import { postfixFiles } from './primary/postfix.ts';
import { rspamdFiles } from './primary/rspamd.ts';

export type { Origin, PrimaryGiven, PrimaryWishes } from './primary/plan.ts';

export function generatePrimary(given: PrimaryGiven, wishes: PrimaryWishes): Generated {
  const plan = makeTrustPlan(given);
  if (plan.kind === 'unusable') return plan;
  switch (wishes.for) {
    case 'postfix':
      return postfixFiles(plan);
    case 'exim':
      return eximFiles(plan);
    case 'rspamd':
      return rspamdFiles(plan);
    default:
      return unusable(`--for ${wishes.for ?? ''}: postfix, exim or rspamd can stand here`);
  }
}
