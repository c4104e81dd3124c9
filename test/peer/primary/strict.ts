/**
 * A primary behind us that believes SPF, in the lab: mail of a domain with "-all" is held by us, from its own host or from
 * a stranger's, and the primary is told to trust us by what `restante generate primary` writes.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { maildirFiles } from '../lab/audit.ts';
import type { Mta } from '../lab/mta.ts';
import { jsonLines } from '../lab/relay.ts';
import { config, Restante } from '../lab/restante.ts';
import type { HeardOfIt } from '../lab/say.ts';
import { type Host, INSIDE, Lab, type Ran, ROOT, until } from '../lab.ts';

/** In the lab's DNS: "v=spf1 ip4:192.0.2.30 -all", which is the host `sender`. */
export const OWN: Host = 'sender';
/** Any other host. */
export const STRANGER: Host = 'dns';
const SENDER = 'friend@strict.example.test';
const BACKUP = '192.0.2.20';

// Debian's policyd-spf.conf rejects on Fail, of HELO and of MAIL. There is one user.
export const STRICT_POSTFIX = `
cat >>/etc/postfix/master.cf <<'END'
policyd-spf unix - n n - 0 spawn user=policyd-spf argv=/usr/bin/policyd-spf
END
cat >>/etc/postfix/main.cf <<'END'
local_recipient_maps = inline:{u=known}
smtpd_recipient_restrictions =
  permit_mynetworks,
# a comment, as they stand in real files
  reject_unauth_destination,
  check_policy_service unix:private/policyd-spf
END
postconf -n >/tmp/before`;

interface Row {
  readonly id: string;
  readonly sender: string;
  readonly state: string;
  readonly reason?: string;
}

interface More {
  /** Lines of the site's configuration, */
  readonly site?: string[];
  /** and of the server's. */
  readonly server?: string[];
  /** What stands beside it. */
  readonly files?: Record<string, string>;
}

export class Strict {
  readonly lab: Lab;
  readonly restante: Restante;
  readonly #mta: Mta;
  readonly #domain: string;

  private constructor(lab: Lab, restante: Restante, mta: Mta, domain: string) {
    this.lab = lab;
    this.restante = restante;
    this.#mta = mta;
    this.#domain = domain;
  }

  /** The primary is not started. */
  static async up(mta: Mta, domain: string, more: More = {}): Promise<Strict> {
    const lab = await Lab.up('dns', mta.host, 'backup', OWN);
    for (const [name, text] of Object.entries(more.files ?? {})) lab.write(name, text);
    const server = [...(more.server ?? []), config({ acme: { domains: [domain], more: more.site ?? [] } })];
    const restante = new Restante(lab, server.join('\n'));
    await restante.start();
    return new Strict(lab, restante, mta, domain);
  }

  close(): Promise<void> {
    return this.lab.close();
  }

  start(): Promise<void> {
    return this.#mta.start(this.lab);
  }

  stop(): Promise<void> {
    return this.#mta.stop(this.lab);
  }

  /** Says a mail to us, as a host of the lab; it has to be taken. */
  async send(from: Host, name: string, header = ''): Promise<void> {
    const recipient = `u@${this.#domain}`;
    const { end } = await this.say(from, BACKUP, [recipient], name, header);
    assert.match(end, /^250 2\.0\.0 Ok: held as /);
  }

  async say(
    from: Host,
    to: string,
    recipients: readonly string[],
    name: string,
    header = '',
  ): Promise<HeardOfIt> {
    const script = [
      process.execPath,
      '--disable-warning=ExperimentalWarning',
      `${ROOT}/test/peer/lab/say.ts`,
    ];
    const content = `From: ${SENDER}\nMessage-ID: <${name}@strict.example.test>\nSubject: ${name}\n${header}\nbody`;
    const mails = JSON.stringify([{ sender: SENDER, recipients, content }]);
    const [heard] = jsonLines<HeardOfIt>(await this.lab.must(from, [...script, to, mails], 120));
    assert.ok(heard);
    return heard;
  }

  /** Ends when all is handed over, or the primary is down (again). */
  flush(): Promise<Ran> {
    return this.ours('site', 'flush', 'acme', '--wait');
  }

  ours(...args: string[]): Promise<Ran> {
    return this.lab.exec('backup', [`${ROOT}/bin/restante`, ...args, '-c', `${INSIDE}/restante.yaml`]);
  }

  /** What is written for this program, in a folder that the primary sees, too. */
  async generate(program: string, folder = `${INSIDE}/${program}`): Promise<string> {
    const { code, stderr } = await this.ours(
      'generate',
      'primary',
      'acme',
      '--for',
      program,
      '--dir',
      folder,
      '--force',
    );
    assert.equal(code, 0, stderr);
    return folder;
  }

  async onPrimary(script: string): Promise<string> {
    return this.lab.must(this.#mta.host, ['sh', '-ec', script], 120);
  }

  /** The mails that wait for the site. */
  queue(): Promise<Row[]> {
    return this.restante.ask<Row[]>('queue', 'list', '--site', 'acme');
  }

  /** What the primary said to a mail that still waits. */
  refusal(): Promise<string> {
    return until('a refusal', 60, async () => (await this.queue()).find(({ reason }) => reason)?.reason);
  }

  /** The mail as the primary keeps it. */
  async arrived(name: string): Promise<string> {
    return until(`${name} at the primary`, 60, () => this.find(name));
  }

  find(name: string): string | undefined {
    return maildirFiles(this.lab, this.#mta)
      .map((path) => readFileSync(path, 'latin1'))
      .find((text) => text.includes(`<${name}@strict.example.test>`));
  }
}
