/**
 * From what was written to what is used: paths made absolute, files looked at, and the checks that
 * go across keys. Gives all findings at once.
 */
import { accessSync, constants, readFileSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { parse } from 'tldts';
import { DAY, HOUR } from '../base/clock.ts';
import type { HostPort, PrimarySource, Site, TlsPolicy } from '../site/site.ts';
import { buildAuthentication } from './authentication.ts';
import { buildWays, checkNeighbours } from './batch.ts';
import { buildBlocklists } from './blocklists.ts';
import type { Config, Outbound } from './config.ts';
import { buildConduct, conductFindings } from './limits-schema.ts';
import type { Finding } from './load.ts';
import { buildMilters } from './milter-schema.ts';
import { buildRecipients } from './recipients.ts';
import type { Written, WrittenSite } from './schema.ts';

type Built =
  | { readonly kind: 'ok'; readonly config: Config }
  | { readonly kind: 'bad'; readonly findings: Finding[] };

/** When nothing else is written. */
const USUAL_WARN = [4 * HOUR, 4 * DAY];
/** Names that queues of our own have. */
const RESERVED = ['operator'];

export function build(written: Written, file: string): Built {
  const found: Finding[] = [];
  const absolute = (path: string) => resolve(dirname(file), path);
  checkSpool(absolute(written.spool), found);
  checkDomains(written, found);
  const { rmail, proxy, ...listen } = written.listen;
  checkListeners(listen, found);
  const sites = Object.entries(written.sites).map(([name, site]) => {
    checkSite(name, site, written, found);
    return {
      ...buildSite(name, site, buildRecipients(name, site, { absolute, readable }, found)),
      ...buildWays(name, site, absolute, found),
    };
  });
  checkNeighbours(sites, found);
  found.push(...conductFindings(written));
  const config: Config = {
    file,
    hostname: written.hostname,
    spool: absolute(written.spool),
    also: written.also,
    listen,
    proxies: proxy,
    ...optional({ rmail: rmail === undefined ? undefined : absolute(rmail) }),
    tls: written.tls.map((pair, i) => ({
      cert: readable(absolute(pair.cert), ['tls', i, 'cert'], found),
      key: readable(absolute(pair.key), ['tls', i, 'key'], found),
    })),
    resolver: written.resolver,
    peers: written.peers,
    blocklists: buildBlocklists(written.blocklists, found),
    outbound: buildOutbound(written.outbound, absolute, found),
    secrets: absolute(written.secrets ?? `${written.spool}/secrets`),
    auth: written.auth,
    authentication: buildAuthentication(written, absolute, found),
    notices: { allow: written.notices.allow, ...optional({ undeliverable: written.notices.undeliverable }) },
    ...optional({ postmaster: written.postmaster }),
    milters: buildMilters(written.milters, Object.keys(written.sites), (text, ...at) =>
      found.push({ path: ['milters', ...at], text }),
    ),
    limits: {
      size: written.limits.size,
      connections: written.limits.connections,
      connectionsPerClient: written.limits.connections_per_client,
      connectionsPerNetwork: written.limits.connections_per_network,
      recipients: written.limits.recipients,
      reserve: written.limits.reserve,
      ...optional({ spool: written.limits.spool }),
    },
    conduct: buildConduct(written),
    log: written.log,
    sites,
  };
  return found.length > 0 ? { kind: 'bad', findings: found } : { kind: 'ok', config: freeze(config) };
}

function buildSite(name: string, site: WrittenSite, recipients: Site['recipients']): Omit<Site, 'collect'> {
  return {
    name,
    domains: site.domains,
    primary: primaryOf(site.primary),
    tls: tlsOf(site.tls),
    ...optional({ expect: expectationOf(site.expect) }),
    recipients,
    ...optional({ logins: site.logins }),
    whileUp: site.while_up,
    passClient: site.pass_client,
    ...(site.hide && { hide: true }),
    hold: site.hold,
    // Who calls for his mail when it suits him is not late.
    warn: site.warn ?? (site.collect === 'push' ? USUAL_WARN.filter((age) => age < site.hold) : []),
    connections: site.connections,
    probe: site.probe,
    ...optional({
      etrn: site.etrn ?? (site.collect === 'etrn' ? { callers: 'any' as const } : undefined),
      token: site.token,
      order: site.order,
      largest: site.largest,
      greylist: site.greylist,
    }),
  };
}

/** `caller`, or `caller:PORT`: no host, but where the site called from. */
function callerOf(primary: WrittenSite['primary']): HostPort | null {
  const [one, ...more] = primary === 'mx' ? [] : primary;
  return one?.host === 'caller' && more.length === 0 ? one : null;
}

function primaryOf(primary: WrittenSite['primary']): PrimarySource {
  if (primary === 'mx') return { kind: 'mx' };
  const caller = callerOf(primary);
  return caller ? { kind: 'caller', port: caller.port } : { kind: 'hosts', hosts: primary };
}

const tlsOf = (tls: WrittenSite['tls']): TlsPolicy =>
  typeof tls === 'string' ? { kind: tls } : { kind: 'fingerprint', sha256: tls.fingerprint };

function expectationOf(expect: WrittenSite['expect']): Site['expect'] {
  if (expect === undefined) return undefined;
  return 'ehlo' in expect
    ? { kind: 'ehlo', name: expect.ehlo }
    : { kind: 'fingerprint', sha256: expect.fingerprint };
}

function checkSite(name: string, site: WrittenSite, all: Written, found: Finding[]): void {
  const say = (text: string, ...path: PropertyKey[]) => found.push({ path: ['sites', name, ...path], text });
  if (RESERVED.includes(name.toLowerCase())) {
    found.push({
      path: ['sites', name],
      text: `"${name}" is the name of a queue of our own: choose another`,
      atKey: true,
    });
  }
  site.logins?.forEach((login, i, all) => {
    if (all.indexOf(login) < i) say(`${login} stands in this list already`, 'logins', i);
  });
  const warn = site.warn ?? [];
  warn.forEach((age, i) => {
    if (age <= (warn[i - 1] ?? 0))
      say('ages have to rise: this one is not above the one before it', 'warn', i);
    if (age >= site.hold)
      say('is not below hold: the mail would have failed before its sender is warned', 'warn', i);
  });
  if (site.tls === 'none' && site.expect && 'fingerprint' in site.expect) {
    say(
      'a fingerprint cannot be seen with "tls: none": use TLS, or expect an EHLO name',
      'expect',
      'fingerprint',
    );
  }
  if (site.mailbox && site.collect !== 'mailbox') say('is for "collect: mailbox"', 'mailbox');
  if (site.collect === 'mailbox' && all.listen.pop3.length + all.listen.pop3s.length === 0) {
    say('needs an address at listen.pop3 or listen.pop3s, where the mailbox can be fetched', 'collect');
  }
  if (site.while_up !== 'accept' && site.collect !== 'push') {
    say(`is for "collect: push": whether a site that calls for its mail is up, nobody knows`, 'while_up');
  }
  if (site.pass_client !== 'none' && site.collect !== 'push' && site.collect !== 'etrn') {
    say('is for sites that are handed over to, by push or etrn', 'pass_client');
  }
  checkCalls(site, all, say);
  if (site.primary === 'mx') return;
  site.primary.forEach((host, i) => {
    if (isOurselves(host, all)) {
      const index = site.primary.length > 1 ? [i] : [];
      say(`${host.host}:${host.port} is this very server: its mail would go in circles`, 'primary', ...index);
    }
  });
}

function checkCalls(
  site: WrittenSite,
  all: Written,
  say: (text: string, ...path: PropertyKey[]) => void,
): void {
  const { collect, primary } = site;
  if (collect === 'odmr' && all.listen.odmr.length === 0) {
    say('needs an address at listen.odmr, where the site can call', 'collect');
  }
  if (site.etrn && collect === 'odmr') say('is for sites that are handed over to, by etrn or push', 'etrn');
  if (site.largest !== undefined && collect === 'push')
    say('is for sites that call for their mail', 'largest');
  if (site.token !== undefined && all.listen.call.length === 0) {
    say('needs an address at listen.call, where the site can call', 'token');
  }
  if (!callerOf(primary)) return;
  const callable = site.token !== undefined || collect === 'etrn' || site.etrn;
  if (collect === 'odmr')
    say('is for sites that are handed over to; by odmr the connection is theirs', 'primary');
  else if (!callable) say('needs a call: collect by etrn, or a token', 'primary');
  // Long after the call the address may be another's.
  const known = site.expect || (typeof site.tls === 'object' && 'fingerprint' in site.tls);
  if (collect === 'push' && !known) {
    say(
      'would give mail to whoever has the address by then: name what to expect of it, by "expect"',
      'primary',
    );
  }
}

/** Certain cases only; what DNS and the network reveal is found out when it is used. */
function isOurselves(host: HostPort, all: Written): boolean {
  const here = all.listen.smtp.filter((l) => l.port === host.port);
  if (here.some((l) => l.host === host.host)) return true;
  const ours = [all.hostname, ...all.also.names, ...all.also.addresses];
  return here.length > 0 && ours.includes(host.host);
}

/** The control socket stands in it, and sockets have short names: sun_path is 108 octets with its NUL. */
function checkSpool(path: string, found: Finding[]): void {
  const length = Buffer.byteLength(path);
  const most = 107 - '/control'.length;
  if (length > most)
    found.push({
      path: ['spool'],
      text: `${path} is too long for a socket in it: ${length} octets, at most ${most}`,
    });
}

function checkDomains(all: Written, found: Finding[]): void {
  const owner = new Map<string, string>();
  for (const [name, site] of Object.entries(all.sites)) {
    site.domains.forEach((domain, i) => {
      const say = (text: string) => found.push({ path: ['sites', name, 'domains', i], text });
      const other = owner.get(domain);
      if (other === name) say(`${domain} stands in this list already`);
      else if (other !== undefined)
        say(`${domain} belongs to the site "${other}" already; a domain belongs to one site`);
      else owner.set(domain, name);
      if (domain === all.hostname) {
        say(`${domain} is our own hostname, whose postmaster is the operator: no site can have it`);
      }
      // A whole public suffix is nobody's site, and would be an open relay in all but name.
      const bare = domain.startsWith('.') ? domain.slice(1) : domain;
      const parsed = parse(bare, { extractHostname: false });
      if (parsed.isIcann && parsed.publicSuffix === bare)
        say(`${domain} is a public suffix, not the domain of a site`);
    });
  }
}

function checkListeners(listen: Config['listen'], found: Finding[]): void {
  const seen = new Map<string, string>();
  for (const [protocol, listeners] of Object.entries(listen)) {
    listeners.forEach(({ host, port }, i) => {
      const at = `${host} port ${port}`;
      const other = seen.get(at);
      if (port === 0) return;
      if (other === undefined) seen.set(at, protocol);
      else {
        const where = other === protocol ? 'in this list' : `at listen.${other}`;
        found.push({ path: ['listen', protocol, i], text: `${at} stands ${where} already` });
      }
    });
  }
}

function buildOutbound(
  outbound: Written['outbound'],
  absolute: (path: string) => string,
  found: Finding[],
): Outbound {
  if (outbound === 'mx') return { kind: 'mx' };
  const { host, user, password, password_file } = outbound;
  const say = (text: string, ...path: PropertyKey[]) => found.push({ path: ['outbound', ...path], text });
  const tls = tlsOf(outbound.tls ?? (user === undefined ? 'may' : 'verify'));
  const secret = password_file === undefined ? password : firstLine(absolute(password_file), found);
  if (password !== undefined && password_file !== undefined)
    say('stands beside password: one of both', 'password_file');
  if (user === undefined && secret !== undefined) say('a password without a user');
  if (user !== undefined && secret === undefined) say('needs a password or a password_file', 'user');
  if (user !== undefined && (tls.kind === 'may' || tls.kind === 'none')) {
    say('would show the password to anybody on the way: use verify, or a fingerprint', 'tls');
  }
  const auth = user !== undefined && secret !== undefined ? { auth: { user, password: secret } } : {};
  return { kind: 'smarthost', host: host.host, port: host.port, tls, ...auth };
}

function firstLine(path: string, found: Finding[]): string | undefined {
  const before = found.length;
  readable(path, ['outbound', 'password_file'], found);
  if (found.length > before) return '';
  const [line = ''] = readFileSync(path, 'utf8').split(/\r?\n/, 1);
  if (line === '') found.push({ path: ['outbound', 'password_file'], text: `${path} has no first line` });
  return line;
}

/** The path itself; a finding if nothing can be read there. */
function readable(path: string, at: readonly PropertyKey[], found: Finding[]): string {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (!stat) found.push({ path: at, text: `there is no file ${path}` });
  else if (!stat.isFile()) found.push({ path: at, text: `${path} is not a file` });
  else {
    try {
      accessSync(path, constants.R_OK);
    } catch {
      found.push({ path: at, text: `${path} cannot be read: permission denied` });
    }
  }
  return path;
}

type Defined<T> = { [K in keyof T]: Exclude<T[K], undefined> };
/** Without the keys that have no value. */
function optional<T extends object>(value: T): Partial<Defined<T>> {
  return Object.fromEntries(Object.entries(value).filter(([, v]) => v !== undefined)) as Partial<Defined<T>>;
}

function freeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const inner of Object.values(value)) freeze(inner);
  }
  return value;
}
