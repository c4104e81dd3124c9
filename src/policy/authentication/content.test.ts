/** The look at content with real threads, real signatures, and DNS that a test wrote. */
import assert from 'node:assert/strict';
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { after, describe, test } from 'node:test';
import { dkimSign } from 'mailauth/lib/dkim/sign.js';
import { House, listLog, makeSite, STRANGER } from '../../../test/scenario/receive-harness.ts';
import { SystemClock } from '../../base/clock.ts';
import type { Authentication } from '../../config/config.ts';
import { MemoryResolver } from '../../dns/memory.ts';
import type { MailAuthentication } from '../../mail/envelope.ts';
import type { Inspector, Opinion } from '../inspect.ts';
import { AuthenticationInspector } from './content.ts';
import { Spf } from './spf.ts';
import { SpfCheck } from './spf-check.ts';
import { Workers } from './workers.ts';

const USUAL: Authentication = {
  spf: true,
  dkim: true,
  dmarc: 'obey',
  arc: true,
  results: true,
  authservId: 'mx2.restante.example',
  workers: 1,
};
const rsa = (bits: number) => generateKeyPairSync('rsa', { modulusLength: bits });
const KEYS = {
  good: rsa(2048),
  other: rsa(2048),
  weak: rsa(512),
  huge: rsa(8192),
};
const keyRecord = (key: KeyObject) =>
  `v=DKIM1; k=rsa; p=${key.export({ type: 'spki', format: 'der' }).toString('base64')}`;
const pem = (key: KeyObject) => key.export({ type: 'pkcs8', format: 'pem' }).toString();

const resolver = new MemoryResolver()
  .set('txt', 'client.example', `v=spf1 ip4:${STRANGER} -all`)
  .set('txt', 'sub.strict.example', `v=spf1 ip4:${STRANGER} -all`)
  .set('txt', 'forger.example', `v=spf1 ip4:${STRANGER} -all`)
  .set('txt', '_dmarc.author.example', 'v=DMARC1; p=reject')
  .set('txt', '_dmarc.strict.example', 'v=DMARC1; p=reject; adkim=s; aspf=s')
  .set('txt', '_dmarc.parent.example', 'v=DMARC1; p=none; sp=reject')
  .set('txt', '_dmarc.quiet.example', 'v=DMARC1; p=reject; sp=none')
  .set('txt', '_dmarc.client.example', 'v=DMARC1; p=reject')
  .set('a', 'news.parent.example', '192.0.2.1')
  .fail(true, '_dmarc.broken.example')
  .set('txt', '_dmarc.slow.example', 'v=DMARC1; p=reject')
  .fail(true, 'good._domainkey.slow.example');
for (const domain of [
  'author.example',
  'sub.author.example',
  'strict.example',
  'sub.strict.example',
  'forger.example',
])
  for (const [name, key] of Object.entries(KEYS))
    resolver.set('txt', `${name}._domainkey.${domain}`, keyRecord(key.publicKey));

const clock = new SystemClock();
const lines: Parameters<typeof listLog>[0] = [];
let settings = USUAL;
const workers = new Workers({
  looking: () => settings,
  threads: () => 1,
  resolver,
  clock,
  log: listLog(lines),
});
after(() => workers.close());

function house(changed: Partial<Authentication> = {}, ...behind: Inspector[]): House {
  settings = { ...USUAL, ...changed };
  const spf = new Spf({ resolver, clock, hostname: () => 'mx2.restante.example' });
  const inspector = new AuthenticationInspector({
    settings: () => settings,
    workers,
    now: () => clock.now(),
  });
  const site = makeSite('one', ['one.example']);
  return new House([site], {}, undefined, [new SpfCheck(spf, () => settings.spf)], [inspector, ...behind]);
}

interface Sign {
  readonly domain: string;
  readonly key?: keyof typeof KEYS;
}
async function signed(mail: string, ...signs: Sign[]): Promise<string> {
  let text = mail;
  for (const { domain, key = 'good' } of signs) {
    const one = { signingDomain: domain, selector: key, privateKey: pem(KEYS[key].privateKey) };
    const made = await dkimSign(mail, { ...one, signatureData: [one] });
    assert.deepEqual(made.errors, []);
    text = `${made.signatures.trimEnd()}\r\n${text}`;
  }
  return text;
}
const mailFrom = (...from: string[]) =>
  `${from.map((one) => `From: ${one}\r\n`).join('')}To: u@one.example\r\nSubject: x\r\nDate: Mon, 05 Jan 2026 12:00:00 +0000\r\nMessage-ID: <1@x>\r\n\r\nHello\r\n`;

interface Came {
  readonly said: string;
  readonly found: MailAuthentication | undefined;
  readonly head: string;
  readonly marks: readonly string[];
  readonly why: string;
}
async function give(house: House, sender: string, content: string): Promise<Came> {
  const said = await house.visit().send(sender, ['u@one.example'], content);
  const held = house.spool.mails.at(-1);
  const origin = held?.entries[0]?.origin;
  return {
    said,
    found: origin?.kind === 'received' ? origin.authentication : undefined,
    head: held?.head ?? '',
    marks: origin?.kind === 'received' ? (origin.marks ?? []) : [],
    why: String(house.logged('mail refused').at(-1)?.why ?? ''),
  };
}

describe('DMARC, with real signatures', () => {
  type Trap = [what: string, sender: string, mail: () => Promise<string>, said: string, dmarc: string];
  const traps: Trap[] = [
    [
      'an aligned signature passes, whatever SPF says',
      'x@nowhere.example',
      () => signed(mailFrom('a@author.example'), { domain: 'author.example' }),
      '250 2.0.0',
      'pass',
    ],
    [
      'relaxed alignment: a subdomain may sign',
      'x@nowhere.example',
      () => signed(mailFrom('a@author.example'), { domain: 'sub.author.example' }),
      '250 2.0.0',
      'pass',
    ],
    [
      'SPF alone passes where it is aligned',
      'x@client.example',
      async () => mailFrom('a@client.example'),
      '250 2.0.0',
      'pass',
    ],
    [
      'SPF of another domain proves nothing',
      'x@client.example',
      async () => mailFrom('a@author.example'),
      '550 5.7.1',
      'fail',
    ],
    [
      "a good signature of somebody else's proves nothing",
      'x@forger.example',
      () => signed(mailFrom('a@author.example'), { domain: 'forger.example' }),
      '550 5.7.1',
      'fail',
    ],
    [
      'strict alignment: a subdomain may not sign',
      'x@nowhere.example',
      () => signed(mailFrom('a@strict.example'), { domain: 'sub.strict.example' }),
      '550 5.7.1',
      'fail',
    ],
    [
      'strict alignment: nor send',
      'x@sub.strict.example',
      async () => mailFrom('a@strict.example'),
      '550 5.7.1',
      'fail',
    ],
    [
      'strict alignment: the domain itself passes',
      'x@nowhere.example',
      () => signed(mailFrom('a@strict.example'), { domain: 'strict.example' }),
      '250 2.0.0',
      'pass',
    ],
    [
      'two From fields, the first one proved: no pass',
      'x@forger.example',
      () => signed(mailFrom('a@forger.example', 'a@author.example'), { domain: 'forger.example' }),
      '550 5.7.1',
      'fail',
    ],
    [
      'two From fields, the second one proved: no pass',
      'x@forger.example',
      () => signed(mailFrom('a@author.example', 'a@forger.example'), { domain: 'forger.example' }),
      '550 5.7.1',
      'fail',
    ],
    [
      'one From field with two domains: no pass',
      'x@forger.example',
      () => signed(mailFrom('a@forger.example, b@author.example'), { domain: 'forger.example' }),
      '550 5.7.1',
      'fail',
    ],
    [
      'a subdomain obeys sp',
      'x@nowhere.example',
      async () => mailFrom('a@news.parent.example'),
      '550 5.7.1',
      'fail',
    ],
    [
      'its parent obeys p',
      'x@nowhere.example',
      async () => mailFrom('a@parent.example'),
      '250 2.0.0',
      'fail',
    ],
    [
      'sp=none lets a subdomain pass',
      'x@nowhere.example',
      async () => mailFrom('a@news.quiet.example'),
      '250 2.0.0',
      'fail',
    ],
    [
      'a key below 1024 bits proves nothing',
      'x@nowhere.example',
      () => signed(mailFrom('a@author.example'), { domain: 'author.example', key: 'weak' }),
      '550 5.7.1',
      'fail',
    ],
    [
      'a key of 8192 bits is a key',
      'x@nowhere.example',
      () => signed(mailFrom('a@author.example'), { domain: 'author.example', key: 'huge' }),
      '250 2.0.0',
      'pass',
    ],
    ['no policy: none', 'x@nowhere.example', async () => mailFrom('a@nowhere.example'), '250 2.0.0', 'none'],
    [
      'a policy that cannot be looked up: later',
      'x@nowhere.example',
      async () => mailFrom('a@broken.example'),
      '451 4.7.1',
      'temperror',
    ],
    [
      'a key that cannot be looked up: later',
      'x@nowhere.example',
      () => signed(mailFrom('a@slow.example'), { domain: 'slow.example' }),
      '451 4.7.1',
      'fail',
    ],
  ];
  for (const [what, sender, mail, said, dmarc] of traps) {
    test(what, async () => {
      const came = await give(house(), sender, await mail());
      assert.equal(came.said, said, came.why);
      if (said.startsWith('2')) assert.equal(came.found?.dmarc?.result, dmarc);
      else assert.match(came.why, new RegExp(`DMARC ${dmarc} for .*SPF .*DKIM `));
      const reported = await give(house({ dmarc: 'report' }), sender, await mail());
      assert.deepEqual([reported.said, reported.found?.dmarc?.result], ['250 2.0.0', dmarc]);
    });
  }

  test('duplicate signatures: one good one is enough, and a broken one beside it harms nothing', async () => {
    const mail = mailFrom('a@author.example');
    const twice = await signed(
      mail,
      { domain: 'author.example' },
      { domain: 'author.example', key: 'other' },
    );
    assert.equal((await give(house(), 'x@nowhere.example', twice)).said, '250 2.0.0');
    const broken = twice.replace(/\bb=[^;]{20}/, 'b=AAAAAAAAAAAAAAAAAAAA');
    assert.notEqual(broken, twice);
    const one = await give(house(), 'x@nowhere.example', broken);
    assert.deepEqual(
      [one.said, one.found?.dkim],
      ['250 2.0.0', { result: 'pass', domains: ['author.example'] }],
    );
    const [signature] = /^DKIM-Signature:[\s\S]*?\r\n(?![ \t])/.exec(twice) ?? [];
    const flood = `${(signature ?? '').repeat(300)}${twice}`;
    assert.equal((await give(house(), 'x@nowhere.example', flood)).said, '250 2.0.0');
  });

  test('more keys than may be asked for: later, not for good', async () => {
    const mail = mailFrom('a@author.example');
    const one = (await signed(mail, { domain: 'author.example' })).slice(0, -mail.length);
    const many = Array.from({ length: 100 }, (_, i) => one.replace('s=good', `s=none${i}`)).join('');
    assert.equal((await give(house(), 'x@nowhere.example', many + mail)).said, '451 4.7.1');
  });

  test('a changed body, or header, breaks a signature', async () => {
    const mail = await signed(mailFrom('a@author.example'), { domain: 'author.example' });
    for (const changed of [mail.replace('Hello', 'Hallo'), mail.replace('Subject: x', 'Subject: y')]) {
      assert.equal((await give(house(), 'x@nowhere.example', changed)).said, '550 5.7.1');
    }
  });

  test('the author that was proved is kept, if there is only one', async () => {
    const came = await give(
      house(),
      'x@nowhere.example',
      await signed(mailFrom('A <a@author.example>'), { domain: 'author.example' }),
    );
    assert.equal(came.found?.dmarc?.author, 'a@author.example');
  });
});

describe('Authentication-Results', () => {
  const FORGED =
    'Authentication-Results: mx2.restante.example; dmarc=pass header.from=bank.example\r\n' +
    'authentication-results:\r\n (a \\) comment) "MX2.restante.example" 1; spf=pass\r\n' +
    'Authentication-Results: other.example; spf=fail\r\n' +
    'Authentication-Results: mx2.restante.example.evil.example; spf=pass\r\n';

  test('ours stands on top, those in our name are gone, others stay', async () => {
    const came = await give(house(), 'x@client.example', FORGED + mailFrom('a@client.example'));
    assert.equal(came.said, '250 2.0.0');
    const fields = came.head.split(/\r\n(?![ \t])/);
    assert.match(fields[0] ?? '', /^Received: /);
    assert.match(
      fields[1] ?? '',
      /^Authentication-Results: mx2\.restante\.example;\r\n spf=pass smtp\.mailfrom=client\.example;\r\n dkim=none[\s\S]*dmarc=pass[\s\S]*header\.from=client\.example/,
    );
    assert.deepEqual(fields.filter((f) => /^authentication-results/i.test(f)).slice(1), [
      'Authentication-Results: other.example; spf=fail',
      'Authentication-Results: mx2.restante.example.evil.example; spf=pass',
    ]);
    for (const line of came.head.split('\r\n')) assert.ok(line.length <= 200, line);
  });

  test('with SPF alone it needs no thread', async () => {
    const alone = house({ dkim: false, dmarc: 'off', arc: false });
    const came = await give(alone, 'x@client.example', FORGED + mailFrom('a@client.example'));
    assert.match(
      came.head,
      /\r\nAuthentication-Results: mx2.restante.example;\r\n spf=pass smtp.mailfrom=client.example\r\n/,
    );
    assert.ok(!came.head.includes('bank.example'));
    const not = await give(
      house({ dkim: false, dmarc: 'off', arc: false, results: false }),
      'x@client.example',
      FORGED,
    );
    assert.ok(!not.head.includes('smtp.mailfrom') && !not.said.startsWith('5'));
  });

  test('a sender cannot write into it', async () => {
    const evil = mailFrom('"a\\"; dmarc=pass\u0000" <a@evil.example>');
    const came = await give(house(), '"x y;z"@evil.example', evil.replace('\u0000', ''));
    assert.match(came.head, /smtp\.mailfrom=evil\.example;/);
    assert.ok(!/dmarc=pass/.test(came.head.split(/\r\n(?![ \t])/)[1] ?? ''));
  });
});

describe('ARC', () => {
  const sealing = { seal: { domain: 'mx2.example', selector: 's', key: pem(KEYS.good.privateKey) } };
  resolver.set('txt', 's._domainkey.mx2.example', keyRecord(KEYS.good.publicKey));

  test('our seal verifies, and the next one stands on it', async () => {
    const first = await give(
      house(sealing),
      'x@client.example',
      await signed(mailFrom('a@author.example'), { domain: 'author.example' }),
    );
    assert.match(
      first.head,
      /\r\nARC-Seal: i=1; [\s\S]*cv=none[\s\S]*\r\nARC-Message-Signature: [\s\S]*\r\nARC-Authentication-Results: i=1; mx2\.restante\.example;/,
    );
    const body = Buffer.from('Hello\r\n');
    const whole = first.head + body.toString();
    const second = await give(house(sealing), 'x@nowhere.example', whole);
    assert.equal(second.found?.arc?.result, 'pass', second.head);
    assert.match(second.head, /\r\nARC-Seal: i=2; [\s\S]*cv=pass/);
    const broken = await give(
      house({ ...sealing, dmarc: 'report' }),
      'x@nowhere.example',
      whole.replace('Hello', 'Hallo'),
    );
    assert.equal(broken.found?.arc?.result, 'fail');
  });

  /** As a milter behind us. */
  const changing = (opinion: Opinion): Inspector => ({
    name: 'changing',
    begin: () => ({ end: () => opinion, abort: () => {} }),
  });
  const sealAgain = async (opinion: Opinion, content: string) => {
    const first = house({ ...sealing, dmarc: 'report' }, changing(opinion));
    const came = await give(first, 'x@nowhere.example', content);
    assert.equal(came.said, '250 2.0.0', came.why);
    const held = first.spool.mails.at(-1);
    // Without our Received: the next one is another server.
    const head = came.head.replace(/^Received:(?:[^\r]|\r\n[ \t])*\r\n/, '');
    return { ...came, whole: `${head}${held?.body.toString('latin1')}` };
  };

  test('our seal is over what is written, whatever was changed behind us', async () => {
    const mail = await signed(mailFrom('a@author.example'), { domain: 'author.example' });
    const changes: Opinion[] = [
      { kind: 'accept', body: [Buffer.from('another body\r\n')] },
      {
        kind: 'accept',
        edits: [{ kind: 'replace', name: 'Subject', at: 1, value: Buffer.from(' changed') }],
      },
    ];
    for (const opinion of changes) {
      const once = await sealAgain(opinion, mail);
      assert.equal(once.whole.match(/^ARC-Seal:/gm)?.length, 1);
      assert.match(once.head, /ARC-Authentication-Results: i=1;[\s\S]*?dkim=pass/);
      const next = await give(house({ ...sealing, dmarc: 'report' }), 'x@nowhere.example', once.whole);
      assert.equal(next.found?.arc?.result, 'pass', next.head);
      // The chain held when it came in: that stays said, though its older signature is broken now.
      const twice = await sealAgain({ kind: 'accept', body: [Buffer.from('a third\r\n')] }, once.whole);
      assert.match(twice.head, /ARC-Seal: i=2; [\s\S]*?cv=pass/);
      const last = await give(house({ ...sealing, dmarc: 'report' }), 'x@nowhere.example', twice.whole);
      assert.equal(last.found?.arc?.result, 'pass', last.said);
    }
  });

  test('a large one that was changed is given to a thread no faster than that takes it', async () => {
    const mail = await signed(mailFrom('a@author.example'), { domain: 'author.example' });
    const piece = Buffer.from('0123456789abcdef\r\n'.repeat(3640));
    const large: Opinion = { kind: 'accept', body: Array<Buffer>(450).fill(piece) };
    const once = await sealAgain(large, mail);
    assert.deepEqual(once.marks, []);
    assert.match(once.head, /^ARC-Seal: i=1;/m);
  });

  test('what cannot be read to be sealed again is taken without a seal', async () => {
    const mail = await signed(mailFrom('a@author.example'), { domain: 'author.example' });
    const one = house(sealing, changing({ kind: 'accept', body: [Buffer.from('another body\r\n')] }));
    one.spool.reads = 0;
    const came = await give(one, 'x@nowhere.example', mail);
    assert.equal(came.said, '250 2.0.0', came.why);
    assert.doesNotMatch(came.head, /^ARC-/m);
    assert.match(came.marks.join(), /arc seal skipped: the mail could not be read/);
  });

  test('a filter behind us that seals has the last word', async () => {
    const mail = await signed(mailFrom('a@author.example'), { domain: 'author.example' });
    const other = await give(house(sealing), 'x@nowhere.example', mail);
    const fields = other.head.match(/^ARC-(?:[^\r]|\r\n[ \t])*/gm) ?? [];
    const edits = fields.map((field) => ({
      kind: 'insert' as const,
      name: field.slice(0, field.indexOf(':')),
      value: Buffer.from(field.slice(field.indexOf(':') + 1)),
      before: 0,
    }));
    const came = await sealAgain({ kind: 'accept', edits }, mail);
    assert.equal(came.head.match(/^ARC-Seal:/gm)?.length, 1);
    assert.ok(came.marks.includes('arc seal left to the filter that sealed'), String(came.marks));
  });
});

describe('what is not looked at', () => {
  test('mail of no stranger', () => {
    const inspector = new AuthenticationInspector({ settings: () => USUAL, workers, now: () => 0 });
    const of = (visit: { trusted: boolean; address: string }) =>
      inspector.begin({
        visit: {
          trusted: visit.trusted,
          peer: { address: visit.address, port: 1, localAddress: '', localPort: 25 },
        },
      } as unknown as Parameters<typeof inspector.begin>[0]);
    assert.equal(of({ trusted: true, address: STRANGER }), undefined);
    assert.equal(of({ trusted: false, address: 'leaf' }), undefined);
  });

  test('large mail goes through in pieces, and a mail that is aborted leaves nothing', async () => {
    const mail = await signed(`${mailFrom('a@author.example')}${'0123456789abcdef\r\n'.repeat(40_000)}`, {
      domain: 'author.example',
    });
    const one = house();
    const visit = one.visit();
    await visit.mail('FROM:<x@nowhere.example>');
    await visit.rcpt('TO:<u@one.example>');
    const pieces = mail.match(/[\s\S]{1,7000}/g) ?? [];
    assert.equal(await visit.data(...pieces), '250 2.0.0');
    await visit.mail('FROM:<x@nowhere.example>');
    await visit.rcpt('TO:<u@one.example>');
    const sink = await visit.session.content();
    assert.ok('write' in sink);
    for (const piece of pieces.slice(0, 20)) await sink.write(Buffer.from(piece));
    sink.abort();
    assert.equal(
      await visit.send('x@client.example', ['u@one.example'], mailFrom('a@client.example')),
      '250 2.0.0',
    );
    assert.deepEqual(lines, []);
  });
});
