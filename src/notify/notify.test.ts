import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { MemorySpool } from '../../test/support/memory-spool.ts';
import { SimClock } from '../../test/support/sim-clock.ts';
import { DAY, HOUR } from '../base/clock.ts';
import type { Envelope, MailAuthentication, Recipient } from '../mail/envelope.ts';
import type { Outcome } from '../mail/outcome.ts';
import { reply } from '../mail/reply.ts';
import type { Entry } from '../spool/port.ts';
import { decodeXtext, field, mailDate, printable, statusOf } from './fields.ts';
import { type Decision, type NoticeSettings, Notices } from './notices.ts';
import { isProved, noticeRight, wants } from './right.ts';

const NO: Outcome = {
  kind: 'failed',
  reply: reply(550, '5.1.1', 'no such user'),
  host: 'mx.acme.example [192.0.2.7]',
};

interface Setting {
  envelope?: Partial<Envelope>;
  recipients?: Recipient[];
  entry?: Partial<Entry>;
  allow?: string[];
  settings?: Partial<NoticeSettings>;
  content?: Buffer;
  outcome?: Outcome;
}

/** What is decided about a mail that failed for all its recipients, or is late. */
async function decide(what: 'failure' | 'delay', s: Setting = {}): Promise<Decision> {
  const clock = new SimClock();
  const spool = new MemorySpool(clock);
  const recipients = s.recipients ?? [{ address: 'joe@acme.example' }];
  const id = spool.put('acme', {
    envelope: { sender: 'ann@sender.example', body: '7bit', smtputf8: false, ...s.envelope, recipients },
    arrived: clock.now() - 5 * HOUR,
    ...s.entry,
  });
  const entry = await spool.read(id);
  if ('kind' in entry) throw new Error('gone');
  const bytes = s.content ?? Buffer.from('Subject: hello\r\nFrom: ann\r\n\r\nthe body\r\n');
  const notices = new Notices({
    clock,
    random: () => 0.5,
    settings: () => ({
      hostname: 'mx2.example.net',
      allow: s.allow ?? ['sender.example'],
      queueFor: (domain) => `>${domain}`,
      ...s.settings,
    }),
  });
  const told = recipients.map((_, recipient) => ({ recipient, outcome: s.outcome ?? NO }));
  const open = async () => ({
    size: bytes.length,
    chunks: async function* () {
      for (let i = 0; i < bytes.length; i += 1000) yield bytes.subarray(i, i + 1000);
    },
    close: async () => {},
  });
  return what === 'failure'
    ? notices.failure(entry, told, open)
    : notices.delay(entry, told, clock.now() + 30 * DAY, open);
}

async function text(what: 'failure' | 'delay', s: Setting = {}): Promise<string> {
  const decision = await decide(what, s);
  assert.equal(decision.kind, 'notice');
  return decision.kind === 'notice' ? Buffer.from(decision.content).toString('utf8') : '';
}

describe('who may be told', () => {
  const allow = ['ann@sender.example', 'partner.example', '.customer.example'];
  for (const [sender, right] of [
    ['ann@sender.example', true],
    ['ANN@Sender.Example.', true],
    ['bob@sender.example', false],
    ['anyone@partner.example', true],
    ['anyone@sub.partner.example', false],
    ['anyone@a.customer.example', true],
    ['anyone@a.b.customer.example', true],
    ['anyone@customer.example', false],
    ['anyone@evilcustomer.example', false],
    ['ann@sender.example@evil.example', false],
    ['', false],
    ['nobody', false],
  ] as const) {
    test(`${sender || '<>'}: ${right ? 'yes' : 'no'}`, () => assert.equal(noticeRight(sender, allow), right));
  }

  test('nobody, when nobody is named', () => assert.equal(noticeRight('a@b.example', []), false));

  test('NOTIFY is obeyed; without it failures are told and delays may be', () => {
    const r = (notify?: Recipient['notify']): Recipient => ({
      address: 'a@b',
      ...(notify ? { notify } : {}),
    });
    assert.deepEqual([wants(r(), 'FAILURE'), wants(r(), 'DELAY')], [true, true]);
    assert.deepEqual([wants(r(['NEVER']), 'FAILURE'), wants(r(['NEVER']), 'DELAY')], [false, false]);
    assert.deepEqual([wants(r(['FAILURE']), 'FAILURE'), wants(r(['FAILURE']), 'DELAY')], [true, false]);
    assert.deepEqual(
      [wants(r(['SUCCESS', 'DELAY']), 'FAILURE'), wants(r(['DELAY']), 'DELAY')],
      [false, true],
    );
  });
});

describe('the decision', () => {
  test('without the right: untold', async () => {
    assert.equal((await decide('failure', { allow: [] })).kind, 'untold');
  });

  const received = { kind: 'received', peer: 'leaf', helo: 'leaf', protocol: 'UUCP' } as const;
  const told = async (origin: Entry['origin'], envelope: Partial<Envelope> = {}) =>
    (await decide('failure', { entry: { origin }, envelope, allow: [] })).kind;

  test('from a sender whose site may send, and proved to be it: told, whoever is allowed', async () => {
    assert.equal(await told({ ...received, sends: 'acme' }), 'notice');
    assert.equal(await told(received), 'untold');
    assert.equal(await told({ ...received, authenticated: 'joe' }), 'untold');
    assert.equal(await told({ ...received, sends: 'acme' }, { sender: '' }), 'untold');
  });

  test('a return path that was proved when the mail came in is told, and no other', async () => {
    const proof = (authentication: MailAuthentication, sender = 'a@pass.example') =>
      isProved({ ...received, authentication }, sender);
    const spf = (result: string, domain = 'pass.example') => ({ spf: { result, domain } });
    assert.ok(proof(spf('pass')));
    assert.ok(proof(spf('pass'), 'other@PASS.example'));
    for (const result of ['fail', 'softfail', 'neutral', 'none', 'temperror', 'permerror', 'skipped']) {
      assert.ok(!proof(spf(result)), result);
    }
    assert.ok(!proof(spf('pass', 'sub.pass.example')));
    assert.ok(!proof(spf('pass'), ''));
    const dmarc = (result: string, author?: string) => ({
      dmarc: { result, domain: 'pass.example', ...(author !== undefined && { author }) },
    });
    assert.ok(proof(dmarc('pass', 'A@pass.example')));
    // A signed mail of another author at the same domain, given again with a forged return path.
    assert.ok(!proof(dmarc('pass', 'b@pass.example')));
    assert.ok(!proof(dmarc('pass')));
    assert.ok(!proof(dmarc('fail', 'a@pass.example')));
    assert.equal(await told({ ...received, authentication: spf('pass', 'sender.example') }), 'notice');
    assert.equal(await told({ ...received, authentication: spf('fail', 'sender.example') }), 'untold');
  });

  test('from the null sender: untold, even if everybody is allowed', async () => {
    assert.equal((await decide('failure', { envelope: { sender: '' }, allow: ['', '.'] })).kind, 'untold');
  });

  test('about a notice: needless', async () => {
    const entry = { origin: { kind: 'notice', about: 'x' } as const };
    assert.equal((await decide('failure', { entry, envelope: { sender: '' } })).kind, 'needless');
  });

  test('NOTIFY=NEVER: needless, with or without the right', async () => {
    const recipients: Recipient[] = [{ address: 'joe@acme.example', notify: ['NEVER'] }];
    assert.equal((await decide('failure', { recipients })).kind, 'needless');
    assert.equal((await decide('failure', { recipients, allow: [] })).kind, 'needless');
  });

  test('only those who want it are in it', async () => {
    const recipients: Recipient[] = [
      { address: 'quiet@acme.example', notify: ['NEVER'] },
      { address: 'loud@acme.example', notify: ['FAILURE'] },
    ];
    const notice = await text('failure', { recipients });
    assert.match(notice, /loud@acme/);
    assert.doesNotMatch(notice, /quiet@acme/);
  });

  test('goes from the null sender to the sender, into the queue of its domain', async () => {
    const decision = await decide('failure', { settings: { queueFor: (d) => `site-of-${d}` } });
    assert.ok(decision.kind === 'notice');
    assert.equal(decision.entry.queue, 'site-of-sender.example');
    assert.deepEqual(decision.entry.envelope, {
      sender: '',
      recipients: [{ address: 'ann@sender.example' }],
      body: '7bit',
      smtputf8: false,
    });
    assert.equal(decision.entry.origin.kind, 'notice');
  });
});

describe('a failure notice', () => {
  test('is a multipart/report with three parts, all of CRLF lines', async () => {
    const notice = await text('failure', {
      recipients: [{ address: 'joe@acme.example', orcpt: 'rfc822;Joe+2BX@acme.example' }],
      envelope: { envid: 'QQ+2B314' },
    });
    assert.doesNotMatch(notice.replaceAll('\r\n', ''), /[\r\n]/);
    const [top = '', ...parts] = notice.split(/\r\n--=_[a-z0-9]+(?:--)?\r\n/);
    assert.equal(parts.length, 4);
    assert.match(top, /^From: Mail delivery at mx2\.example\.net <MAILER-DAEMON@mx2\.example\.net>\r\n/);
    assert.match(top, /\r\nTo: <ann@sender\.example>\r\n/);
    assert.match(top, /\r\nDate: Mon, 5 Jan 2026 12:00:00 \+0000\r\n/);
    assert.match(top, /\r\nAuto-Submitted: auto-replied\r\n/);
    assert.match(top, /\r\nMessage-ID: <[a-z0-9]+@mx2\.example\.net>\r\n/);
    assert.match(top, /\r\nContent-Type: multipart\/report; report-type=delivery-status;\r\n boundary="=_/);
    const [person = '', status = '', returned = ''] = parts;
    assert.match(person, /<joe@acme\.example>\r\n.*mx\.acme\.example.* said: 550 5\.1\.1 no such user/);
    assert.match(person, /postmaster@mx2\.example\.net/);
    assert.equal(
      status,
      [
        'Content-Type: message/delivery-status',
        '',
        'Original-Envelope-Id: QQ+314',
        'Reporting-MTA: dns; mx2.example.net',
        'Received-From-MTA: dns; sender.example',
        'Arrival-Date: Mon, 5 Jan 2026 07:00:00 +0000',
        '',
        'Original-Recipient: rfc822; Joe+X@acme.example',
        'Final-Recipient: rfc822; joe@acme.example',
        'Action: failed',
        'Status: 5.1.1',
        'Remote-MTA: dns; mx.acme.example',
        'Diagnostic-Code: smtp; 550 5.1.1 no such user',
        'Last-Attempt-Date: Mon, 5 Jan 2026 12:00:00 +0000',
        '',
      ].join('\r\n'),
    );
    assert.equal(
      returned,
      'Content-Type: message/rfc822\r\n\r\nSubject: hello\r\nFrom: ann\r\n\r\nthe body\r\n',
    );
  });

  test('RET=HDRS, and what is large, returns the header only', async () => {
    for (const setting of [{ envelope: { ret: 'HDRS' } }, { entry: { size: 300_000 } }] as Setting[]) {
      const notice = await text('failure', setting);
      assert.match(notice, /Content-Type: text\/rfc822-headers\r\n\r\nSubject: hello\r\nFrom: ann\r\n\r\n--/);
      assert.doesNotMatch(notice, /the body/);
    }
  });

  test('a header without end is cut at a line', async () => {
    const content = Buffer.from('X-Long: 0123456789\r\n'.repeat(10_000));
    const notice = await text('failure', { envelope: { ret: 'HDRS' }, content });
    assert.ok(notice.length < 70_000);
    assert.match(notice, /X-Long: 0123456789\r\n\r\n--/);
  });

  test('8-bit content is declared, and passed on byte for byte', async () => {
    const content = Buffer.from('Subject: x\r\n\r\n\xe9\xff\r\n', 'latin1');
    const decision = await decide('failure', { content });
    assert.ok(decision.kind === 'notice');
    assert.equal(decision.entry.envelope.body, '8bitmime');
    assert.ok(Buffer.from(decision.content).includes(content));
    assert.match(
      Buffer.from(decision.content).toString('latin1'),
      /Content-Transfer-Encoding: 8bit\r\n\r\nThis/,
    );
  });

  test('SMTPUTF8 mail is answered in its own types', async () => {
    const setting: Setting = {
      envelope: { sender: 'än@sender.example', smtputf8: true },
      recipients: [{ address: 'jöe@acme.example' }],
    };
    const notice = await text('failure', setting);
    assert.match(notice, /Content-Type: message\/global-delivery-status/);
    assert.match(notice, /Final-Recipient: utf-8; jöe@acme\.example/);
    assert.match(notice, /Content-Type: message\/global\r\n/);
    const decision = await decide('failure', setting);
    assert.ok(decision.kind === 'notice' && decision.entry.envelope.smtputf8);
  });

  test('nothing that a peer said can break a line or add a field', async () => {
    const evil: Outcome = {
      kind: 'failed',
      reply: reply(550, '5.1.1', 'no\r\nAction: delivered\r\n\r\n--=_', 'caf\u00e9\u0000'),
      host: 'mx\r\nX: y',
    };
    const notice = await text('failure', { outcome: evil });
    assert.doesNotMatch(notice, /^Action: delivered/m);
    assert.doesNotMatch(notice, /^X: y/m);
    assert.doesNotMatch(notice, /[^\r\n\x20-\x7e]/);
  });

  test('content that cannot be read is no reason to say nothing', async () => {
    const notices = new Notices({
      clock: new SimClock(),
      random: Math.random,
      settings: () => ({ hostname: 'h.example', allow: ['sender.example'], queueFor: (d) => d }),
    });
    const spool = new MemorySpool(new SimClock());
    const entry = await spool.read(spool.put('acme'));
    if ('kind' in entry) return assert.fail();
    const decision = await notices.failure(entry, [{ recipient: 0, outcome: NO }], () =>
      Promise.reject(new Error()),
    );
    assert.equal(decision.kind, 'notice');
  });
});

describe('a delay notice', () => {
  test('says until when, in class 4, and returns the header only', async () => {
    const late: Outcome = { kind: 'deferred', reply: reply(451, '4.4.1', 'connection refused'), host: '' };
    const notice = await text('delay', { outcome: late, envelope: { ret: 'FULL' } });
    assert.match(notice, /Action: delayed\r\nStatus: 4\.4\.1\r\n/);
    assert.match(notice, /Will-Retry-Until: Wed, 4 Feb 2026 12:00:00 \+0000/);
    assert.match(notice, /waiting for 5 hours/);
    assert.match(notice, /need not send it again/);
    assert.doesNotMatch(notice, /Diagnostic-Code|Remote-MTA|the body/);
  });

  test('a refusal that is held back is a delay too', async () => {
    assert.match(await text('delay', { outcome: { ...NO, kind: 'deferred' } }), /Status: 4\.1\.1/);
  });
});

describe('fields', () => {
  test('dates', () =>
    assert.equal(mailDate(Date.UTC(2026, 11, 31, 23, 5, 9)), 'Thu, 31 Dec 2026 23:05:09 +0000'));

  test('long ones are folded at spaces, and never longer than they were', () => {
    const folded = field('Diagnostic-Code', `smtp; ${'word '.repeat(60)}${'x'.repeat(200)}`);
    for (const line of folded.split('\r\n').filter((l) => !l.includes('xxx'))) assert.ok(line.length <= 78);
    assert.ok(
      folded
        .split('\r\n')
        .slice(1, -1)
        .every((l) => l.startsWith(' ')),
    );
  });

  test('xtext', () => {
    assert.equal(decodeXtext('a+2Bb+3Dc'), 'a+b=c');
    assert.equal(decodeXtext('j+C3+B6e'), 'jöe');
    assert.equal(decodeXtext('a+zz'), 'a+zz');
  });

  test('status', () => {
    assert.equal(statusOf(reply(554, undefined, 'x'), 'failed'), '5.0.0');
    assert.equal(statusOf(reply(451, '4.7.1', 'x'), 'failed'), '5.7.1');
    assert.equal(printable('a\r\nb\u00e9', false), 'a b?');
  });
});
