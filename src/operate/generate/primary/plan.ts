/** What is told to a primary, before it is written for one program. */
import type { Conduct } from '../../../config/conduct.ts';
import type { PassClient, Site } from '../../../site/site.ts';
import { type Unusable, unusable } from '../bundle.ts';

/** The addresses that our handovers come from, and how they are known. */
export interface Origin {
  /** Canonical IP addresses; at least one. */
  readonly addresses: readonly string[];
  /** `said`: by the administrator; `dns`: the addresses of our name. */
  readonly by: 'said' | 'dns';
}

export interface PrimaryGiven {
  readonly site: Pick<Site, 'name' | 'domains' | 'collect' | 'passClient'>;
  /** Our name: in EHLO, and in `by` of our Received field. */
  readonly hostname: string;
  readonly origin: Origin;
  /** What we ask of the name that clients call themselves. */
  readonly helo: Conduct['helo'];
  /** The domain of our ARC seal, if we seal. */
  readonly seal?: string;
}

export interface PrimaryWishes {
  /** A word of the user's: it is not checked yet. */
  readonly for?: string;
}

export interface TrustPlan {
  readonly kind: 'plan';
  readonly site: string;
  readonly domains: readonly string[];
  readonly hostname: string;
  readonly addresses: readonly string[];
  readonly passClient: PassClient;
  readonly helo: Conduct['helo'];
  readonly seal?: string;
  /** What nobody told us, as sentences. */
  readonly assumed: string;
}

export function makeTrustPlan({ site, hostname, origin, helo, seal }: PrimaryGiven): TrustPlan | Unusable {
  switch (site.collect.kind) {
    case 'push':
    case 'etrn':
      break;
    case 'odmr':
    case 'mailbox':
    case 'batch':
      return unusable(
        `the site ${site.name} has "collect: ${site.collect.kind}": its mail server never sees our address, so there is nothing to tell it`,
      );
  }
  return {
    kind: 'plan',
    site: site.name,
    domains: site.domains,
    hostname,
    addresses: origin.addresses,
    passClient: site.passClient,
    helo,
    ...(seal !== undefined && { seal }),
    assumed: assumption(hostname, origin),
  };
}

function assumption(hostname: string, { addresses, by }: Origin): string {
  const list = addresses.join(', ');
  if (by === 'said') return `As it was said, mail is handed over from ${list}.`;
  return `Assumed: mail is handed over from ${list}, since the DNS has that for ${hostname}. If your log shows another address: --from ADDRESS.`;
}

/** A comment of whole lines at 100 columns. */
export const comment = (text: string): string =>
  (text.match(/\S(?:.{0,95}\S)?(?=\s|$)/g) ?? []).map((line) => `# ${line}`).join('\n');
