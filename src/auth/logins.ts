/**
 * Which login may act for which sites, and what `restante check` has to say of logins and secrets beside
 * mistakes in the configuration: nothing of that stops the server.
 */
import type { Finding } from '../config/load.ts';
import { logins, type Site } from '../site/site.ts';
import { prepared } from './prep.ts';
import { readSecrets } from './store.ts';

/** Login → the sites that it may act for. */
export function sitesByLogin(sites: readonly Site[]): (login: string) => readonly string[] {
  const table = new Map<string, string[]>();
  for (const site of sites) {
    for (const login of logins(site).map(prepared))
      table.set(login, [...(table.get(login) ?? []), site.name]);
  }
  return (login) => table.get(login) ?? [];
}

export interface LoginNeeds {
  /** `secrets:` */
  readonly path: string;
  readonly sites: readonly Site[];
  /** Why this site cannot do without a login ("it collects by odmr"); null: it can. */
  readonly needs: (site: Site) => string | null;
}

export function loginWarnings({ path, sites, needs }: LoginNeeds): Finding[] {
  const read = readSecrets(path);
  if (read.kind === 'bad') return [{ path: [], text: `secrets cannot be used: ${path}: ${read.why}` }];
  const names = new Set(read.kind === 'ok' ? read.kept.secrets.keys() : []);
  const used = new Set(sites.flatMap((site) => logins(site).map(prepared)));
  const idle = [...names]
    .filter((name) => !used.has(name))
    .map((name) => ({ path: [], text: `the login "${name}" has a secret, and belongs to no site` }));
  const lacking = sites.flatMap((site) => {
    const why = needs(site);
    if (why === null || logins(site).some((login) => names.has(prepared(login)))) return [];
    const [first] = logins(site);
    const remedy = first === undefined ? 'name one in "logins"' : `restante secret set ${first}`;
    return [{ path: ['sites', site.name], text: `has no login with a secret, but ${why}: ${remedy}` }];
  });
  return [...idle, ...lacking];
}
