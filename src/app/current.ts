/** What a reload replaces. */
import { sitesByLogin } from '../auth/logins.ts';
import { type NetworkSet, networkSet } from '../base/networks.ts';
import type { Config } from '../config/config.ts';
import { canonicalDomain } from '../mail/address.ts';
import type { Settings } from '../policy/ports.ts';
import { Ourselves } from '../primary/ourselves.ts';
import { SiteDirectory } from '../site/site.ts';

/** The configuration in force, and what is derived from it. Replaced as a whole. */
export interface Current {
  readonly config: Config;
  readonly directory: SiteDirectory;
  readonly settings: Settings;
  readonly ourselves: Ourselves;
  /** `peers:` */
  readonly isPeer: NetworkSet;
  /** `limits.allow:` */
  readonly allowed: NetworkSet;
  /** `auth.cleartext:` */
  readonly cleartext: NetworkSet;
  readonly sitesOf: (login: string) => readonly string[];
}

/** `token`: of this process; by it we know ourselves. */
export function derive(config: Config, token: string): Current {
  const { hostname, also, postmaster, limits } = config;
  const { names, addresses } = also;
  return {
    config,
    directory: new SiteDirectory(config.sites),
    settings: {
      hostname,
      names: [hostname, ...names].map(canonicalDomain),
      addresses,
      ...(postmaster !== undefined && { postmaster }),
      sizeLimit: limits.size,
    },
    ourselves: new Ourselves({ hostname, names, addresses, token }),
    isPeer: networkSet(config.peers),
    allowed: networkSet(config.conduct.allow),
    cleartext: networkSet(config.auth.cleartext),
    sitesOf: sitesByLogin(config.sites),
  };
}
