/**
 * The real MTAs of the lab as senders and primaries: how each is started and stopped, what its log says
 * of mails that were answered 250 by the next hop, and where its Maildir is.
 */
import { type Host, INSIDE, type Lab } from '../lab.ts';

/** One recipient of one mail that a peer answered 250. */
export interface Sent {
  /** The MTA's own queue id, as in its reply to the injector. */
  readonly queueId: string;
  readonly recipient: string;
  /** The name of the host that took it. */
  readonly relay: string;
}

export interface Mta {
  readonly host: Host;
  /** In `by` of its Received field. */
  readonly name: string;
  readonly program: string;
  start(lab: Lab): Promise<void>;
  stop(lab: Lab): Promise<void>;
  /** From its reply to the end of data. */
  queueId(reply: string): string;
  sent(lab: Lab): Sent[];
  /** Below the lab's folder. */
  readonly maildir: string;
  /** It folds address fields anew. */
  readonly folds?: true;
}

function matches(text: string, pattern: RegExp): Sent[] {
  return [...text.matchAll(pattern)].map((m) => ({
    queueId: m.groups?.id ?? '',
    recipient: m.groups?.to ?? '',
    relay: m.groups?.relay ?? '',
  }));
}

export function postfix(host: 'primary' | 'sender'): Mta {
  return {
    host,
    name: `${host}.example.test`,
    program: 'Postfix',
    maildir: `mail/${host}`,
    async start(lab) {
      await lab.must(host, ['postfix', 'start']);
    },
    async stop(lab) {
      await lab.must(host, ['postfix', 'stop']);
    },
    queueId: (reply) => /queued as (\w+)/.exec(reply)?.[1] ?? '',
    sent: (lab) =>
      matches(
        lab.read(`${host}.log`),
        /postfix\/smtp\[\d+\]: (?<id>\w+): to=<(?<to>[^>]*)>, relay=(?<relay>[^[,]+).* status=sent \(250 /g,
      ),
  };
}

const EXIM = ['/usr/sbin/exim4'];

export const exim: Mta = {
  host: 'exim',
  name: 'exim.example.test',
  program: 'Exim',
  maildir: 'mail/exim',
  async start(lab) {
    await lab.must('exim', [...EXIM, '-bd', '-q5s']);
  },
  async stop(lab) {
    // It removes the file itself, sooner or later.
    await lab.must('exim', ['sh', '-c', 'kill $(cat /run/exim4/exim.pid); rm -f /run/exim4/exim.pid']);
  },
  queueId: (reply) => /id=(\S+)/.exec(reply)?.[1] ?? '',
  sent: (lab) =>
    matches(
      lab.read('exim-mainlog'),
      /^\S+ \S+ (?<id>\S+) (?:=>|->) (?<to>\S+) R=away T=smtp H=(?<relay>\S+) .*C="250/gm,
    ),
};

export const opensmtpd: Mta = {
  host: 'osmtpd',
  name: 'osmtpd.example.test',
  program: 'OpenSMTPD',
  maildir: 'mail/osmtpd',
  async start(lab) {
    const command = `setsid smtpd -d -f /etc/smtpd.lab.conf >>${INSIDE}/osmtpd.log 2>&1 </dev/null & echo $! >/run/lab-smtpd.pid`;
    await lab.must('osmtpd', ['sh', '-c', command]);
  },
  async stop(lab) {
    await lab.must('osmtpd', ['sh', '-c', 'kill $(cat /run/lab-smtpd.pid)']);
  },
  queueId: (reply) => /^250 2\.0\.0:? (\w+)/.exec(reply)?.[1] ?? '',
  // The evpid's first eight digits are the message's id.
  sent: (lab) =>
    matches(
      lab.read('osmtpd.log'),
      /mta delivery evpid=(?<id>\w{8})\w* from=\S* to=<(?<to>[^>]*)> .*relay="\S+ \((?<relay>[^)]*)\)".* result="Ok"/g,
    ),
};

export const sendmail: Mta = {
  host: 'sendmail',
  name: 'sendmail.example.test',
  program: 'sendmail',
  maildir: 'mail/sendmail',
  async start(lab) {
    await lab.must('sendmail', ['/usr/libexec/sendmail/sendmail', '-bd']);
  },
  async stop(lab) {
    await lab.must('sendmail', ['sh', '-c', 'kill $(head -n 1 /run/sendmail/mta/sendmail.pid)']);
  },
  queueId: (reply) => /^250 2\.0\.0 (\w+)/.exec(reply)?.[1] ?? '',
  // It only receives.
  sent: () => [],
  folds: true,
};
