/**
 * `while_up: through` before real primaries: what a sender hears of a recipient that does not exist, of greylisting, of
 * content that is refused, and of a primary whose cable is pulled, is the primary's own words; nothing that was
 * refused is queued, nothing that was taken is lost, nobody gets a notice.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { maildirFiles } from './lab/audit.ts';
import { exim, type Mta, opensmtpd, postfix } from './lab/mta.ts';
import { jsonLines } from './lab/relay.ts';
import { config, Restante } from './lab/restante.ts';
import type { HeardOfIt, Said } from './lab/say.ts';
import { Lab, ROOT, until } from './lab.ts';

interface Primary {
  readonly mta: Mta;
  readonly domain: string;
  /** Makes it refuse `no@`, put off `grey@`, and refuse the content of `spammer@`. */
  prepare(lab: Lab): Promise<void>;
  readonly no: RegExp;
  readonly grey: RegExp;
  readonly spam: RegExp;
  /** Its reply to the dot, in ours. */
  readonly ok: RegExp;
}

const SPAMMER = 'spammer@sender.example.test';
const FRIEND = 'friend@sender.example.test';

const primaries: readonly Primary[] = [
  {
    mta: postfix('primary'),
    domain: 'example.test',
    async prepare(lab) {
      const rcpt =
        'check_recipient_access inline:{{no@example.test=550 5.1.1 No such user at primary.example.test},' +
        '{grey@example.test=450 4.2.0 Greylisted}}, permit';
      const end = `check_sender_access inline:{{${SPAMMER}=554 5.7.1 Spam is not wanted}}, permit`;
      await lab.must('primary', ['postconf', '-e', `smtpd_recipient_restrictions=${rcpt}`]);
      await lab.must('primary', ['postconf', '-e', `smtpd_end_of_data_restrictions=${end}`]);
    },
    no: /^550 5\.1\.1 <no@example\.test>: Recipient address rejected: No such user at \(hidden\)$/,
    grey: /^450 4\.2\.0 <grey@example\.test>: Recipient address rejected: Greylisted$/,
    spam: /^554 5\.7\.1 <spammer@sender\.example\.test>: Sender address rejected: Spam is not wanted$/,
    ok: /: 2?\.?0?\.?0? ?Ok: queued as \w+$/,
  },
  {
    mta: exim,
    domain: 'exim.example.test',
    async prepare(lab) {
      const lines = [
        '  deny local_parts = no\\n       message = 550 5.1.1 Unknown user',
        '  defer local_parts = grey\\n       message = 450 4.2.0 Greylisted',
      ].join('\\n');
      const data = `data:\\n  deny senders = ${SPAMMER}\\n       message = 554 5.7.1 Spam is not wanted\\n  accept\\n`;
      const conf = '/etc/exim4/exim4.conf';
      const edits = [
        // Its own user cannot make a file in the lab's folder, and it says 421 when it can't write one.
        '1a write_rejectlog = false',
        `s/^acl_smtp_data = .*/acl_smtp_data = data/`,
        `s/^rcpt:$/${data}\\nrcpt:\\n${lines}/`,
      ].flatMap((edit) => ['-e', edit]);
      await lab.must('exim', ['sed', '-i', ...edits, conf]);
    },
    no: /^550 5\.1\.1 Unknown user$/,
    grey: /^450 4\.2\.0 Greylisted$/,
    spam: /^554 5\.7\.1 Spam is not wanted$/,
    ok: /: OK id=\S+$/,
  },
  {
    mta: opensmtpd,
    domain: 'osmtpd.example.test',
    async prepare(lab) {
      const filters = [
        'filter "no" phase rcpt-to match rcpt-to { "no@osmtpd.example.test" } reject "550 5.1.1 Unknown user"',
        'filter "grey" phase rcpt-to match rcpt-to { "grey@osmtpd.example.test" } reject "450 4.2.0 Greylisted"',
        `filter "spam" phase commit match mail-from { "${SPAMMER}" } reject "554 5.7.1 Spam is not wanted"`,
        'filter "all" chain { "no", "grey", "spam" }',
      ];
      const conf = '/etc/smtpd.lab.conf';
      const text = `{ printf '%s\\n' '${filters.join("' '")}'; sed 's/^listen on 0.0.0.0 /&filter "all" /' ${conf}; } >/tmp/c && cp /tmp/c ${conf}`;
      await lab.must('osmtpd', ['sh', '-c', text]);
    },
    no: /^550 5\.1\.1 Unknown user$/,
    grey: /^450 4\.2\.0 Greylisted$/,
    spam: /^554 5\.7\.1 Spam is not wanted$/,
    ok: /: \w+ Message accepted for delivery$/,
  },
];

const mail = (n: number, recipients: readonly string[], sender = FRIEND): Said => ({
  sender,
  recipients,
  content: `From: ${sender}\nMessage-ID: <through-${n}@sender.example.test>\nSubject: mail ${n}\n\nbody ${n}\n..dots`,
});

describe('through, before real primaries', () => {
  let lab: Lab;
  let restante: Restante;

  before(async () => {
    lab = await Lab.up('dns', 'primary', 'backup', 'sender', 'exim', 'osmtpd');
    const through = ['while_up: through'];
    restante = new Restante(
      lab,
      config({
        postfix: { domains: ['example.test'], more: [...through, 'hide: true'] },
        exim: { domains: ['exim.example.test'], more: through },
        osmtpd: { domains: ['osmtpd.example.test'], more: through },
      }),
    );
    await restante.start();
    for (const { mta, prepare } of primaries) {
      await prepare(lab);
      await mta.start(lab);
      await until(`${mta.program} answers`, 20, async () => {
        const ran = await lab.exec(mta.host, ['bash', '-c', 'exec 3<>/dev/tcp/127.0.0.1/25 && head -1 <&3']);
        return ran.stdout.startsWith('220');
      });
    }
  });
  after(() => lab?.close());

  const say = async (...mails: Said[]): Promise<HeardOfIt[]> => {
    const script = [
      process.execPath,
      '--disable-warning=ExperimentalWarning',
      `${ROOT}/test/peer/lab/say.ts`,
    ];
    return jsonLines<HeardOfIt>(
      await lab.must('sender', [...script, 'backup.example.test', JSON.stringify(mails)], 90),
    );
  };
  const arrived = (mta: Mta, n: number): string[] =>
    maildirFiles(lab, mta)
      .map((file) => readFileSync(file, 'latin1'))
      .filter((text) => text.includes(`Message-ID: <through-${n}@`));

  for (const { mta, domain, no, grey, spam, ok } of primaries) {
    test(`${mta.program}: its own words, nothing queued, nothing lost`, async (t) => {
      const [first, second, third] = await say(
        mail(1, [`u@${domain}`, `no@${domain}`, `grey@${domain}`, 'u@live.test', `v@${domain}`]),
        mail(2, [`u@${domain}`], SPAMMER),
        mail(3, [`w@${domain}`]),
      );
      assert.ok(first && second && third);
      t.diagnostic([...first.rcpt, first.end, second.end].join(' | '));
      assert.match(first.rcpt[0] ?? '', /^250 2\.1\.5 /);
      assert.match(first.rcpt[1] ?? '', no);
      assert.match(first.rcpt[2] ?? '', grey);
      assert.match(first.rcpt[4] ?? '', /^250 2\.1\.5 /);
      assert.match(first.end, /^250 2\.0\.0 Ok: passed on as \w+: /);
      assert.match(first.end, ok);
      assert.match(second.end, spam);
      assert.match(third.end, /^250 2\.0\.0 Ok: passed on as /);
      assert.equal(await restante.queued(), 0, 'nothing is queued');
      await until('both mails', 30, () => arrived(mta, 1).length === 2 && arrived(mta, 3).length === 1);
      assert.equal(arrived(mta, 2).length, 0);
      const [one = ''] = arrived(mta, 1);
      assert.match(one, /Received: from sender\.example\.test [\s\S]*by\s+backup\.example\.test/);
      // Dots as they were sent: one of the two that stood at the line's beginning was the wire's.
      assert.ok(one.replaceAll('\r\n', '\n').includes('\nbody 1\n.dots\n'));
    });

    test(`${mta.program}: a pulled cable; what was answered 250 is held, and is there when it is plugged`, async () => {
      await lab.link(mta.host, 'down');
      const [heard] = await say(mail(4, [`u@${domain}`, `v@${domain}`]));
      assert.ok(heard);
      assert.match(heard.rcpt[0] ?? '', /^250 /);
      assert.match(heard.end, /^250 2\.0\.0 Ok: held as /);
      await lab.link(mta.host, 'up');
      await until('it is there', 90, () => arrived(mta, 4).length === 2);
      await until('the queue is empty', 30, async () => (await restante.queued()) === 0);
    });
  }

  test('no notice was made, and nothing is undeliverable', () => {
    assert.match(restante.log, /"event":"mail handed over"/);
    assert.doesNotMatch(restante.log, /"event":"sender told"|undeliverable/);
  });
});
