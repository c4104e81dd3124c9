/**
 * Who may call for whose mail: ETRN and ATRN by the names in them. Pure; what a call then starts is the
 * keeper's business.
 *
 * Promises: one call names one site's queue, however it is written (case, a trailing dot, U-label or A-label, `@`,
 * `#`); whoever has logged in calls for the sites of his login and for no other, also where a stranger could;
 * strangers call only where the site lets them, and only to where its mail goes anyway.
 *
 * RFC 1985 §5.1–5.3 (250–253, 458, 459); RFC 2645 §5.2.1 (450).
 */
import { networkSet } from '../base/networks.ts';
import { canonicalDomain } from '../mail/address.ts';
import { type Reply, reply } from '../mail/reply.ts';
import type { Site, SiteDirectory } from '../site/site.ts';

export interface Caller {
  readonly address: string;
  readonly tls: boolean;
  /** Who logged in, and the names of the sites he may act for. */
  readonly login?: { readonly login: string; readonly sites: readonly string[] };
}

export interface MayNotCall {
  readonly kind: 'no';
  /** For the wire. */
  readonly reply: Reply;
  /** For the log. */
  readonly why: string;
}
/** `known`: he logged in as the site, so he may know what lies in its queue. */
export type EtrnRight = { readonly kind: 'site'; readonly site: Site; readonly known: boolean } | MayNotCall;
export type AtrnRight = { readonly kind: 'sites'; readonly sites: readonly Site[] } | MayNotCall;

// One text for what is nobody's and what is another's.
const NOT_ALLOWED = reply(459, '4.7.1', 'Node not allowed');
const LOGIN_FIRST = reply(530, '5.7.0', 'Authentication required');
const LOGIN_IN_TLS = reply(
  530,
  '5.7.0',
  'STARTTLS and authentication required: the mail goes to your address',
);
const NOT_HERE = reply(458, '4.3.3', 'Unable to queue messages: this node gets its mail in another way');
const NOT_YOURS = reply(450, '4.7.1', 'ATRN request refused');

const no = (r: Reply, why: string): MayNotCall => ({ kind: 'no', reply: r, why });

export function etrnRight(name: string, caller: Caller, directory: SiteDirectory): EtrnRight {
  const site = siteOf(name, directory);
  if (!site) return no(NOT_ALLOWED, 'no such site');
  const { login } = caller;
  if (login) {
    if (!login.sites.includes(site.name))
      return no(NOT_ALLOWED, `${login.login} may not act for ${site.name}`);
  } else {
    const stranger = strangerMay(site, caller.address);
    if (stranger) return stranger;
  }
  if (!site.etrn) return no(NOT_HERE, `${site.name} takes no ETRN`);
  // To whoever comes from there: so it must be the site, and the address unchanged on the way.
  if (site.primary.kind === 'caller' && !(login && caller.tls)) {
    return no(LOGIN_IN_TLS, `${site.name} has no lasting address: only a login in TLS tells where it is`);
  }
  return { kind: 'site', site, known: login !== undefined };
}

function strangerMay({ name, etrn }: Site, address: string): MayNotCall | null {
  const callers = etrn?.callers ?? 'any';
  if (callers === 'any') return null;
  if (callers === 'auth') return no(LOGIN_FIRST, `${name} wants a login`);
  return networkSet(callers)(address) ? null : no(NOT_ALLOWED, `${address} may not call for ${name}`);
}

/** The site that an argument of ETRN names. */
function siteOf(name: string, directory: SiteDirectory): Site | undefined {
  if (name.startsWith('#')) {
    const wanted = name.slice(1).toLowerCase();
    return directory.sites.find((site) => site.name.toLowerCase() === wanted);
  }
  const below = name.startsWith('@');
  const domain = canonicalDomain(below ? name.slice(1) : name);
  if (domain === '' || domain.startsWith('.')) return undefined;
  // RFC 1985 §5.3: with `@` all below it, which may be a site though the name itself is not.
  return directory.byDomain(domain) ?? (below ? directory.byDomain(`-.${domain}`) : undefined);
}

/** RFC 2645 §5.2.1: all or none; without domains all that the login has. */
export function atrnRight(
  domains: readonly string[],
  login: NonNullable<Caller['login']>,
  directory: SiteDirectory,
): AtrnRight {
  const mine = login.sites.flatMap((name) => directory.byName(name) ?? []);
  const wanted = new Set<Site>();
  for (const domain of domains) {
    const canonical = canonicalDomain(domain);
    const site = canonical === '' ? undefined : directory.byDomain(canonical);
    if (!site || !mine.includes(site)) return no(NOT_YOURS, `${login.login} may not act for ${domain}`);
    wanted.add(site);
  }
  const sites = domains.length > 0 ? [...wanted] : mine;
  const odmr = sites.filter((site) => site.collect.kind === 'odmr');
  const other = sites.find((site) => site.collect.kind !== 'odmr');
  if (odmr.length === 0 || (domains.length > 0 && other)) {
    return no(NOT_YOURS, `${other?.name ?? login.login} does not collect by ODMR`);
  }
  return { kind: 'sites', sites: odmr };
}
