/** For the tests of conduct: the checks in a gate of their own, and clients that come to it. */

import { openKeyed } from '../../src/base/keyed.ts';
import { networkSet } from '../../src/base/networks.ts';
import type { Conduct as Rules } from '../../src/config/conduct.ts';
import { parseConfig } from '../../src/config/load.ts';
import type { Answer } from '../../src/dns/port.ts';
import type { Asking } from '../../src/policy/check.ts';
import { conduct } from '../../src/policy/conduct/conduct.ts';
import { Findings } from '../../src/policy/findings.ts';
import { Gate, type GateVisit } from '../../src/policy/gate.ts';
import type { Standing } from '../../src/policy/ports.ts';
import type { Refusal, Verdict } from '../../src/policy/verdict.ts';
import type { Site } from '../../src/site/site.ts';
import { makeSite } from '../scenario/receive-harness.ts';
import { SimClock } from './sim-clock.ts';

/** The rules that a configuration with these lines has. */
export function rulesOf(lines: string): Rules {
  const loaded = parseConfig(
    `hostname: mx2.example.net\nsites: { a: { domains: [a.example] } }\n${lines}`,
    '/x/y',
  );
  if (loaded.kind !== 'ok') throw new Error(JSON.stringify(loaded.problems));
  return loaded.config.conduct;
}

export const SITE = makeSite('acme', ['acme.example']);

export class ConductHouse {
  readonly clock = new SimClock();
  rules: Rules;
  readonly standings = new Map<string, Standing>();
  /** Addresses of primaries. */
  readonly primaries = new Set<string>();
  /** Names in the DNS; all others are NXDOMAIN. */
  readonly names = new Map<string, Answer<string>>();
  /** Names that have an MX record. */
  readonly exchangers = new Set<string>();
  readonly checks: ReturnType<typeof conduct>;
  readonly #gate: Gate;

  constructor(lines: string, keyed = openKeyed(':memory:')) {
    this.rules = rulesOf(lines);
    const checks = conduct({
      clock: this.clock,
      rules: () => this.rules,
      allowed: (address) => networkSet(this.rules.allow)(address),
      settings: () => ({
        hostname: 'mx2.example.net',
        names: ['mx2.example.net'],
        addresses: ['203.0.113.9'],
        sizeLimit: 1e6,
      }),
      primaries: { sitesAt: (address) => (this.primaries.has(address) ? ['acme'] : []) },
      standings: { standing: (site) => this.standings.get(site) },
      resolver: {
        addresses: async (name) => this.names.get(name) ?? { kind: 'nxdomain' },
        mx: async (name) =>
          this.exchangers.has(name)
            ? { kind: 'found', records: [{ exchange: name, preference: 10 }], ttl: 60 }
            : { kind: 'nodata' },
      },
      kept: keyed.table('greylist'),
    });
    this.checks = checks;
    this.#gate = new Gate([
      checks.connectionLimits,
      checks.greeting,
      checks.helo,
      checks.mailLimits,
      checks.greylist,
    ]);
  }

  come(address: string, more: { trusted?: boolean; localAddress?: string; xclient?: boolean } = {}): Client {
    const { localAddress = '192.0.2.25', trusted = false } = more;
    const via = { by: 'XCLIENT', address: '192.0.2.1' } as const;
    const peer = { address, port: 4000, localAddress, localPort: 25, ...(more.xclient && { via }) };
    return new Client(this.#gate.begin({ peer, trusted }));
  }
}

/** "450 4.7.1", or "ok". */
const told = (verdict: Verdict): string =>
  verdict.kind === 'accept' ? 'ok' : `${verdict.reply.code} ${verdict.reply.enhanced}`;

interface Origin {
  readonly spf?: string;
  readonly allowedBy?: string;
  readonly login?: boolean;
}

export class Client {
  readonly gate: GateVisit;
  #asking: Asking | undefined;
  helo = 'client.example';
  /** Why the last answer was no. */
  why = '';

  constructor(gate: GateVisit) {
    this.gate = gate;
  }

  #told(verdict: Verdict): string {
    this.why = verdict.kind === 'accept' ? '' : verdict.why;
    if (verdict.kind !== 'accept') this.gate.refused(verdict);
    return told(verdict);
  }

  async connect(): Promise<string> {
    return this.#told(await this.gate.connect());
  }

  get marks(): readonly string[] {
    return this.#asking?.findings.marks ?? [];
  }

  /** EHLO and MAIL. */
  async mail(sender = 'a@sender.example', more: Origin = {}): Promise<string> {
    const login = { authenticated: { login: 'acme', sites: ['acme'] } };
    const manner = { helo: this.helo, esmtp: true, ...(more.login && login) };
    await this.gate.hello(manner);
    const findings = new Findings();
    if (more.spf) findings.authentication = { spf: { result: more.spf, domain: 'sender.example' } };
    if (more.allowedBy) findings.allowedBy = more.allowedBy;
    this.#asking = { mail: { sender, body: '7bit', smtputf8: false }, manner, findings };
    return this.#told(await this.gate.mail(this.#asking));
  }

  async rcpt(address = 'joe@acme.example', site: Site = SITE, postmaster = false): Promise<string> {
    if (!this.#asking) throw new Error('MAIL first');
    return this.#told(await this.gate.rcpt(this.#asking, { address, site, postmaster }));
  }

  /** The content was taken. */
  accepted(size = 1000, site: Site = SITE): void {
    if (!this.#asking) throw new Error('MAIL first');
    const recipients = [{ address: 'joe@acme.example', site, postmaster: false }];
    this.gate.accepted({ ...this.#asking, recipients, size, scan: {} as never });
  }

  refused(refusal: Refusal): void {
    this.gate.refused(refusal);
  }

  /** A whole mail; what its recipient was told. */
  async send(sender?: string, more: Origin & { size?: number } = {}): Promise<string> {
    const said = await this.mail(sender, more);
    const rcpt = said === 'ok' ? await this.rcpt() : said;
    if (rcpt === 'ok') this.accepted(more.size);
    return rcpt;
  }
}
