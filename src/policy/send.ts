/**
 * Who may send by us to others than our sites: a site whose configuration says so (`send`), with a sender
 * address of its own domains or the null sender, and only when it is proved that the mail comes from it: by a
 * login, by the address of the peer, or by the courier (UUCP, NNCP) that brought it. Everybody else is a
 * stranger, and so is the site itself with another's sender address. Promise 2.
 *
 * RFC 5321 §3.6.2, §7.1; RFC 2505 §2.1.
 */
import { type NetworkSet, networkSet } from '../base/networks.ts';
import { domainOf } from '../mail/address.ts';
import type { Site, SiteDirectory } from '../site/site.ts';

/** Who gives a mail, as far as it is proved. */
export interface Giver {
  /** The peer's IP address; absent for a courier. */
  readonly address?: string;
  /** The sites that it acts for by login or as a courier. */
  readonly sites: readonly string[];
}

export class SendRules {
  #directory: SiteDirectory | null = null;
  #networks: readonly (readonly [Site, NetworkSet])[] = [];

  /** The site whose rule lets this sender in; undefined: a stranger's mail. */
  sending(sender: string, giver: Giver, directory: SiteDirectory): Site | undefined {
    const { address } = giver;
    const named = giver.sites.flatMap((name) => directory.byName(name) ?? []);
    const near =
      address === undefined ? [] : this.#of(directory).flatMap(([site, has]) => (has(address) ? [site] : []));
    return [...named, ...near].find((site) => site.send && isOwn(sender, site.send.domains));
  }

  /** Made once for each configuration. */
  #of(directory: SiteDirectory): readonly (readonly [Site, NetworkSet])[] {
    if (this.#directory !== directory) {
      this.#directory = directory;
      this.#networks = directory.sites.flatMap((site) =>
        site.send && site.send.networks.length > 0 ? [[site, networkSet(site.send.networks)] as const] : [],
      );
    }
    return this.#networks;
  }
}

function isOwn(sender: string, domains: readonly string[]): boolean {
  if (sender === '') return true;
  const domain = domainOf(sender);
  if (domain === '') return false;
  return domains.some((own) =>
    own.startsWith('.') ? domain.length > own.length && domain.endsWith(own) : domain === own,
  );
}
