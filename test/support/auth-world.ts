/** An authenticator with secrets in memory, a simulated clock and a log that is a list. */
import { hkdfSync, randomBytes, scryptSync } from 'node:crypto';
import { SiteAuthenticator } from '../../src/auth/authenticator.ts';
import type { House } from '../../src/auth/mechanism.ts';
import { Sealer } from '../../src/auth/seal.ts';
import { decoySecret, type Secret, scramKeys } from '../../src/auth/secret.ts';
import type { Secrets } from '../../src/auth/store.ts';
import { networkSet } from '../../src/base/networks.ts';
import type { Channel, Exchange, SaslStep } from '../../src/protocol/sasl.ts';
import { type Line, listLog } from '../scenario/receive-harness.ts';
import { SimClock } from './sim-clock.ts';

export const TLS: Channel = { address: '198.51.100.7', tls: true };
export const OPEN: Channel = { address: '198.51.100.7', tls: false };

/** With the least costs that are allowed. */
export async function cheapSecret(
  name: string,
  password: string,
  more: Partial<Secret> = {},
): Promise<Secret> {
  const salt = Buffer.from(hkdfSync('sha256', name, '', 'salt', 16));
  const cost = { ln: 10, r: 8, p: 1 };
  const hash = scryptSync(password, salt, 32, { N: 1024, r: 8, p: 1 });
  return { name, scrypt: { ...cost, salt, hash }, scram: await scramKeys(password, salt, 4096), ...more };
}

/** For one mechanism alone: one secret, and a judge that only asks. */
export function simpleHouse(secret: Secret, password = '', random = randomBytes as House['random']): House {
  return {
    secretOf: (name) => (name === secret.name ? secret : decoySecret(name, Buffer.alloc(32))),
    passwordOf: () => Buffer.from(password),
    judge: async (name, _costly, check): Promise<SaslStep> =>
      (await check()) && name === secret.name
        ? { kind: 'accepted', login: name, sites: ['acme'] }
        : { kind: 'refused', why: 'wrong' },
    remembered: { has: () => false, add() {} },
    hostname: 'mx2.example',
    random,
  };
}

const SITES: Record<string, string[]> = { acme: ['acme', 'other'], bare: ['bare'], ghost: ['ghost'] };

export class AuthWorld {
  readonly clock = new SimClock();
  readonly lines: Line[] = [];
  readonly authenticator: SiteAuthenticator;
  secrets: Secrets;

  /**
   * `acme`, `bare` and `idle` (of no site) have the password `open sesame`; `acme` has it sealed, too. `ghost`
   * has a site, and no secret.
   */
  static async make(): Promise<AuthWorld> {
    const sealer = new Sealer(randomBytes(32), randomBytes);
    const sealed = sealer.seal('acme', 'open sesame');
    const made = [await cheapSecret('acme', 'open sesame', { sealed })];
    for (const name of ['bare', 'idle']) made.push(await cheapSecret(name, 'open sesame'));
    const secrets = new Map(made.map((secret) => [secret.name, secret]));
    return new AuthWorld({ decoyKey: randomBytes(32), secrets, sealer, recoverable: true });
  }

  private constructor(secrets: Secrets) {
    this.secrets = secrets;
    this.authenticator = new SiteAuthenticator({
      secrets: { current: () => this.secrets },
      sitesOf: (login) => SITES[login] ?? [],
      cleartext: networkSet(['192.0.2.0/24']),
      hostname: () => 'mx2.example',
      random: randomBytes,
      clock: this.clock,
      log: listLog(this.lines),
    });
  }

  begin(mechanism: string, channel: Channel): Exchange {
    const exchange = this.authenticator.begin(mechanism, channel);
    if (!exchange) throw new Error(`${mechanism} is not offered`);
    return exchange;
  }

  plain(name: string, password: string, channel: Channel = TLS): Promise<SaslStep> {
    return this.begin('PLAIN', channel).step(Buffer.from(`\0${name}\0${password}`));
  }

  /** What comes of it, and after how many milliseconds. Passes the time that it is held back. */
  async answer(promise: Promise<SaslStep>): Promise<{ readonly step: SaslStep; readonly after: number }> {
    const begun = this.clock.monotonic();
    const all = await this.answers([promise]);
    return { step: all[0] as SaslStep, after: this.clock.monotonic() - begun };
  }

  async answers(promises: readonly Promise<SaslStep>[]): Promise<SaslStep[]> {
    let done = false;
    const all = Promise.all(promises).finally(() => {
      done = true;
    });
    while (!done) {
      // The hash is made in real time; only then something waits for the clock.
      await new Promise((turn) => setImmediate(turn));
      if (this.clock.armed > 0) await this.clock.advance(100);
    }
    return all;
  }
}

export const outcome = (step: SaslStep): string => (step.kind === 'refused' ? step.why : step.kind);
