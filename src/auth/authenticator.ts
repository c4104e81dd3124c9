/**
 * The authenticator: answers the port `protocol/sasl.ts` for SMTP, ODMR and POP3.
 *
 * Promises: names that have a secret and names that have none get the same work and the same answers; no
 * password and no response goes into the log; what fails on our side is `locked` (4yz: come again), never
 * `wrong`; how often one may try is `lockout.ts`; how many hashes are made at once, `turns.ts`.
 * Clear passwords (PLAIN, LOGIN, PASS) only in TLS, from loopback, or from the listed networks.
 *
 * RFC 4422 (SASL), RFC 4616 (PLAIN), RFC 2195 (CRAM-MD5), RFC 5802 and 7677 (SCRAM-SHA-256).
 */
import { type Clock, sleep } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { NetworkSet } from '../base/networks.ts';
import type { Authenticator, Channel, Exchange, SaslStep } from '../protocol/sasl.ts';
import { cramMd5 } from './cram-md5.ts';
import { Lockout, type Ticket } from './lockout.ts';
import { login } from './login.ts';
import { type House, words } from './mechanism.ts';
import { judgePassword, plain } from './plain.ts';
import { Remembered } from './remembered.ts';
import { scram } from './scram.ts';
import { decoySecret, type Random } from './secret.ts';
import type { Secrets } from './store.ts';
import { Turns } from './turns.ts';

export interface AuthOptions {
  readonly secrets: { current(): Secrets };
  /** The sites that a login may act for. A login without one is no login. */
  readonly sitesOf: (login: string) => readonly string[];
  /** `auth.cleartext` of the configuration in force. */
  readonly cleartext: NetworkSet;
  readonly hostname: () => string;
  readonly random: Random;
  readonly clock: Clock;
  readonly log: Log;
}

/** Strongest first: clients take the first that they know. */
const MECHANISMS = ['SCRAM-SHA-256', 'CRAM-MD5', 'PLAIN', 'LOGIN'] as const;
type Mechanism = (typeof MECHANISMS)[number];

const START: Record<Mechanism, (house: House) => Exchange> = {
  'SCRAM-SHA-256': (house) => scram(house),
  'CRAM-MD5': cramMd5,
  PLAIN: plain,
  LOGIN: login,
};

const LOCKED: SaslStep = { kind: 'refused', why: 'locked' };
const WRONG: SaslStep = { kind: 'refused', why: 'wrong' };

export class SiteAuthenticator implements Authenticator {
  readonly #options: AuthOptions;
  readonly #lockout: Lockout;
  readonly #turns = new Turns();
  readonly #remembered: Remembered;

  constructor(options: AuthOptions) {
    this.#options = options;
    this.#lockout = new Lockout(options.clock);
    this.#remembered = new Remembered(options.clock, options.random);
  }

  mechanisms(channel: Channel): readonly Mechanism[] {
    const { secrets, recoverable } = this.#options.secrets.current();
    if (secrets.size === 0) return [];
    const offered: Record<Mechanism, boolean> = {
      'SCRAM-SHA-256': true,
      'CRAM-MD5': recoverable,
      PLAIN: this.#mayBeClear(channel),
      LOGIN: this.#mayBeClear(channel),
    };
    return MECHANISMS.filter((name) => offered[name]);
  }

  begin(mechanism: string, channel: Channel): Exchange | null {
    const name = this.mechanisms(channel).find((offered) => offered === mechanism);
    if (name === undefined) return null;
    const exchange = START[name](this.#house(name, channel));
    return { step: (response) => this.#guarded(() => exchange.step(response)) };
  }

  password(name: string, password: string, channel: Channel): Promise<SaslStep> | null {
    if (!this.mechanisms(channel).includes('PLAIN')) return null;
    const [user, pass] = [words(Buffer.from(name)), words(Buffer.from(password))];
    if (user === null || pass === null) return Promise.resolve(WRONG);
    return this.#guarded(() => judgePassword(this.#house('PASS', channel), user, pass));
  }

  #mayBeClear({ address, tls }: Channel): boolean {
    const loopback = address === '::1' || address.startsWith('127.');
    return tls || loopback || this.#options.cleartext(address);
  }

  async #guarded(work: () => Promise<SaslStep>): Promise<SaslStep> {
    try {
      return await work();
    } catch (fault) {
      // Without its text: it could quote what it choked on.
      this.#options.log.error('login failed by a fault', {
        why: fault instanceof Error ? fault.name : 'unknown',
      });
      return LOCKED;
    }
  }

  #house(mechanism: string, channel: Channel): House {
    const { hostname, random, secrets } = this.#options;
    // One copy for the whole exchange: a change in its middle cannot mix two secrets.
    const now = secrets.current();
    const [model] = now.secrets.values();
    const nobody = now.sealer.seal('', random(16).toString('hex'));
    return {
      hostname: hostname(),
      remembered: this.#remembered,
      random,
      secretOf(name) {
        // Made for every name, so that a known one is not told by being faster.
        const decoy = decoySecret(name, now.decoyKey, model);
        return now.secrets.get(name) ?? decoy;
      },
      passwordOf({ name, sealed }) {
        const open = sealed ? now.sealer.open(name, sealed) : now.sealer.open('', nobody);
        return open ?? random(16);
      },
      judge: (name, costly, check) => {
        const known = now.secrets.has(name);
        return this.#judge({ name, known, mechanism, channel }, costly, check);
      },
    };
  }

  async #judge(
    attempt: Attempt,
    costly: boolean,
    check: () => boolean | Promise<boolean>,
  ): Promise<SaslStep> {
    const { name, channel } = attempt;
    const ticket = this.#lockout.admit(channel.address, name);
    if (!ticket) return this.#refuse(attempt, LOCKED, 'locked out');
    let right: boolean | null;
    try {
      right = await (costly ? this.#turns.take(async () => check()) : check());
    } catch (fault) {
      ticket.drop();
      throw fault;
    }
    if (right !== null) return this.#conclude(attempt, ticket, right);
    ticket.drop();
    return this.#refuse(attempt, LOCKED, 'too many logins at once');
  }

  async #conclude(attempt: Attempt, ticket: Ticket, right: boolean): Promise<SaslStep> {
    const { name, known, channel } = attempt;
    const { clock, log, sitesOf } = this.#options;
    const sites = sitesOf(name);
    if (right && known && sites.length > 0) {
      const delay = ticket.succeed();
      log.info('login', { ...told(attempt), sites });
      await this.#holdBack(delay);
      return { kind: 'accepted', login: name, sites };
    }
    const { delay, locked } = ticket.fail();
    const why = !known ? 'no such login' : !right ? 'wrong password' : 'the login of no site';
    const answer = this.#refuse(attempt, WRONG, why);
    if (locked > 0) log.warn('logins locked out', { peer: channel.address, for: locked });
    await sleep(clock, delay);
    return answer;
  }

  async #holdBack(delay: number): Promise<void> {
    if (delay > 0) await sleep(this.#options.clock, delay);
  }

  #refuse(attempt: Attempt, answer: SaslStep, why: string): SaslStep {
    this.#options.log.info('login refused', { ...told(attempt), why });
    return answer;
  }
}

interface Attempt {
  readonly name: string;
  readonly known: boolean;
  /** As the log calls it. */
  readonly mechanism: string;
  readonly channel: Channel;
}

const told = ({ name, mechanism, channel }: Attempt) => ({
  login: name,
  peer: channel.address,
  mechanism,
  tls: channel.tls,
});
