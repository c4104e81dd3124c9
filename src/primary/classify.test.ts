import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Envelope } from '../mail/envelope.ts';
import type { Reply } from '../mail/reply.ts';
import { isTooMany, judgeContent, judgeMail, judgeRcpt, type Verdict } from './classify.ts';

const envelope: Envelope = {
  sender: 'joe@sender.example',
  recipients: [{ address: 'relay-listed@acme.example' }],
  body: '7bit',
  smtputf8: false,
};

/** "550 5.1.1 text" → Reply. */
function said(line: string): Reply {
  const [, code, enhanced, text] = /^(\d{3})(?: ([245]\.\d+\.\d+))?(?: (.*))?$/.exec(line) ?? [];
  return { code: Number(code), ...(enhanced !== undefined && { enhanced }), text: [text ?? ''] };
}

const RCPT: readonly (readonly [string, Verdict])[] = [
  // users
  [
    '550 5.1.1 <relay-listed@acme.example>: Recipient address rejected: User unknown in relay recipient table',
    'failed',
  ],
  ['550 5.1.1 User unknown in virtual mailbox table', 'failed'],
  ['550 relay-listed@acme.example no such user', 'failed'],
  ['550 Invalid recipient: <relay-listed@acme.example>', 'failed'],
  ['553 5.1.3 Bad recipient address syntax', 'failed'],
  ['501 5.1.3 Bad address', 'failed'],
  ['550 5.7.1 <relay-listed@acme.example>: Recipient address rejected: Access denied', 'failed'],
  ['550 5.4.1 Recipient address rejected: Access denied.', 'failed'],
  ['552 5.2.2 Mailbox full', 'failed'],
  ['452 4.2.2 The mailbox is over quota', 'deferred'],
  [
    '450 4.2.0 <relay-listed@acme.example>: Recipient address rejected: Greylisted, see http://postgrey.example',
    'deferred',
  ],
  ['451 4.7.1 Greylisting in action, please come back later, your IP address is 192.0.2.9', 'deferred'],
  ['451 4.3.0 Temporary lookup failure', 'deferred'],
  ['450 4.1.8 <joe@sender.example>: Sender address rejected: Domain not found', 'deferred'],
  ['550 5.1.8 <joe@sender.example>: Sender address rejected: Domain not found', 'failed'],
  ['550 5.7.23 SPF validation failed: 192.0.2.9 is not allowed to send mail from sender.example', 'failed'],
  // relaying
  ['554 5.7.1 <relay-listed@acme.example>: Relay access denied', 'trouble'],
  ['454 4.7.1 <relay-listed@acme.example>: Relay access denied', 'trouble'],
  ['550 relay not permitted', 'trouble'],
  ['550 5.7.1 Unable to relay', 'trouble'],
  ['550 5.7.54 SMTP; Unable to relay recipient in non-accepted domain', 'trouble'],
  ['550 5.7.1 relay-listed@acme.example... Relaying denied', 'trouble'],
  ["553 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)", 'trouble'],
  // our address
  ['554 5.7.1 Service unavailable; Client host [192.0.2.9] blocked using zen.spamhaus.org', 'trouble'],
  ['450 4.7.1 Client host rejected: cannot find your hostname, [192.0.2.9]', 'trouble'],
  ['550 5.7.25 Client host rejected: cannot find your reverse hostname', 'trouble'],
  ['550 5.7.1 Your IP address 192.0.2.9 is listed', 'trouble'],
  ['554 5.7.1 [192.0.2.9] rejected', 'trouble'],
  ['550 blocked by Barracuda', 'trouble'],
  // not understood
  ['503 5.5.1 Bad sequence of commands', 'trouble'],
  ['500 5.5.2 Command unrecognized', 'trouble'],
  ['530 5.7.0 Must issue a STARTTLS command first', 'trouble'],
];

const MAIL: readonly (readonly [string, Verdict])[] = [
  ['550 5.1.8 Domain of sender address does not resolve', 'failed'],
  ['553 5.1.7 bad sender', 'failed'],
  ['451 4.1.8 Domain of sender address joe@sender.example does not resolve', 'deferred'],
  ['550 5.7.23 SPF says no', 'failed'],
  ['550 SPF: 192.0.2.9 is not allowed for sender.example', 'failed'],
  ['554 5.7.1 sender.example is not welcome', 'failed'],
  ['552 5.3.4 Message size exceeds fixed limit', 'failed'],
  ['452 4.3.1 Insufficient system storage', 'deferred'],
  ['451 4.3.2 Please try again later', 'busy'],
  ['450 4.7.1 Client host rejected: cannot find your hostname', 'trouble'],
  ['554 5.7.1 Client host blocked using dnsbl.example', 'trouble'],
  ['530 5.7.0 Authentication required', 'trouble'],
  ['503 5.5.1 nested MAIL', 'trouble'],
  ['550 5.7.1 Access denied', 'unclear'],
  ['554 go away', 'unclear'],
];

const CONTENT: readonly (readonly [string, Verdict])[] = [
  ['554 5.7.1 Spam message rejected', 'failed'],
  ['552 5.3.4 Message too big', 'failed'],
  ['451 4.3.0 queue file write error', 'deferred'],
  ['452 4.3.1 Insufficient system storage', 'deferred'],
  ['554 5.4.6 Too many hops', 'deferred'],
  ['554 5.7.1 Your IP 192.0.2.9 is blocked', 'trouble'],
  ['503 5.5.1 need RCPT', 'trouble'],
  ['502 5.5.1 not implemented', 'trouble'],
];

describe("the site's trouble or the mail's own", () => {
  for (const [line, verdict] of RCPT) {
    test(`RCPT: ${line}: ${verdict}`, () => assert.equal(judgeRcpt(said(line), envelope), verdict));
  }
  for (const [line, verdict] of MAIL) {
    test(`MAIL: ${line}: ${verdict}`, () => assert.equal(judgeMail(said(line), envelope, true), verdict));
  }
  for (const [line, verdict] of CONTENT) {
    test(`end of data: ${line}: ${verdict}`, () => assert.equal(judgeContent(said(line), envelope), verdict));
  }

  test('of a client that we named, what it says of him is about his mail; what it says of relaying or of itself is not', () => {
    const client = '554 5.7.1 Service unavailable; Client host [192.0.2.9] blocked using zen.example';
    const later = '450 4.7.25 Client host rejected: cannot find your hostname, [192.0.2.9]';
    for (const [line, verdict] of [
      [client, 'failed'],
      [later, 'deferred'],
    ] as const) {
      for (const judged of [judgeRcpt, judgeContent] as const) {
        assert.equal(judged(said(line), envelope), 'trouble');
        assert.equal(judged(said(line), envelope, true), verdict);
      }
      assert.equal(judgeMail(said(line), envelope, true), 'trouble');
      assert.equal(judgeMail(said(line), envelope, true, true), verdict);
    }
    for (const [line, ours, his] of [
      ['450 4.7.1 Slow down', 'busy', 'deferred'],
      ['550 5.7.1 Access denied', 'unclear', 'failed'],
    ] as const) {
      assert.equal(judgeMail(said(line), envelope, true), ours);
      assert.equal(judgeMail(said(line), envelope, true, true), his);
    }
    assert.equal(
      judgeMail(said('530 5.7.0 Must issue a STARTTLS command first'), envelope, true, true),
      'trouble',
    );
    assert.equal(judgeMail(said('452 4.3.1 Insufficient system storage'), envelope, false, true), 'busy');
    assert.equal(judgeRcpt(said('554 5.7.1 <u@x.test>: Relay access denied'), envelope, true), 'trouble');
  });

  test('452 to MAIL without a size is want of room for all', () => {
    assert.equal(judgeMail(said('452 4.3.1 Insufficient system storage'), envelope, false), 'busy');
  });

  test('too many recipients are told from a full mailbox and from want of storage', () => {
    const yes = [
      '452 4.5.3 Too many recipients',
      '552 too many recipients',
      '452 5.5.3 x',
      '452 Error: too many',
    ];
    const no = ['452 4.2.2 full', '452 4.3.1 storage', '552 5.2.2 full', '552 Mailbox full', '450 4.5.3 x'];
    assert.deepEqual(
      yes.filter((l) => !isTooMany(said(l))),
      [],
    );
    assert.deepEqual(
      no.filter((l) => isTooMany(said(l))),
      [],
    );
  });
});
