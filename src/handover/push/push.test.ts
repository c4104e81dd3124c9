import assert from 'node:assert/strict';
import { afterEach, describe, test } from 'node:test';
import { generate } from 'selfsigned';
import { ALL_KEYWORDS, type FakeAct, type FakeStation } from '../../../test/support/fake-primary.ts';
import {
  cleanUp,
  cleanups,
  line,
  ourselves,
  parcel,
  primary,
  push,
  short,
  site,
  trouble,
} from '../../../test/support/lines.ts';
import { SimClock } from '../../../test/support/sim-clock.ts';
import { openKeyed } from '../../base/keyed.ts';
import { silent } from '../../base/log.ts';
import { MemoryResolver } from '../../dns/memory.ts';
import { Primaries } from '../../primary/primaries.ts';
import { RFC_DEADLINES } from '../../protocol/smtp/client/open.ts';
import type { Trouble } from '../port.ts';
import { pushHandover } from './push.ts';

afterEach(cleanUp);

const at = (station: FakeStation, act: FakeAct) => (s: FakeStation) => (s === station ? act : undefined);

describe('each reply at each station, by DATA and by BDAT', () => {
  const table: readonly (readonly [FakeStation, FakeAct, string])[] = [
    ['mail', '451 4.3.2 not now', 'busy: null'],
    ['mail', '550 5.1.8 bad sender', 'failed'],
    ['mail', '421 4.3.2 going down', 'busy: null'],
    ['mail', 'close', 'lost: null'],
    ['mail', 'hang', 'lost: null'],
    ['rcpt', '450 4.2.0 greylisted', 'deferred'],
    ['rcpt', '550 5.1.1 no such user', 'failed'],
    ['rcpt', '554 5.7.1 Relay access denied', 'refused: null'],
    ['rcpt', '454 4.7.1 Relay access denied', 'refused: null (alive)'],
    ['rcpt', '421 4.3.2 going down', 'busy: null'],
    ['rcpt', 'close', 'lost: null'],
    ['rcpt', 'hang', 'lost: null'],
    ['end', '451 4.3.0 later', 'deferred'],
    ['end', '554 5.7.1 spam', 'failed'],
    ['end', '421 4.3.2 going down', 'busy: null (alive)'],
    ['end', 'close', 'lost: null (alive)'],
    ['end', 'hang', 'lost: null (alive)'],
    ['data', '451 4.3.0 later', 'deferred'],
    ['data', '554 5.3.0 no', 'failed'],
    ['data', '502 5.5.1 what?', 'refused: null (alive)'],
    ['data', '250 2.0.0 what?', 'refused: null (alive)'],
    ['data', '421 4.3.2 going down', 'busy: null (alive)'],
    ['data', 'close', 'lost: null (alive)'],
    ['data', 'hang', 'lost: null (alive)'],
  ];
  for (const keywords of [ALL_KEYWORDS, [...ALL_KEYWORDS, 'CHUNKING'], ['SIZE']]) {
    const chunking = keywords.includes('CHUNKING');
    for (const [station, act, expected] of table) {
      if (chunking && station === 'data') continue;
      const where = chunking && station === 'end' ? 'bdat' : station;
      test(`${keywords.length} keywords, ${where}: ${act} → ${expected}`, async () => {
        const fake = await primary({ keywords, script: at(where, act) });
        const deadlines = act === 'hang' ? { ...RFC_DEADLINES, [station]: 60 } : RFC_DEADLINES;
        const l = await line(push(fake, {}, deadlines).handover);
        assert.equal(short(await l.give(parcel())), expected);
        assert.equal(fake.mails.length, 0);
        assert.deepEqual(fake.violations, []);
      });
    }
  }
});

describe('before the first mail', () => {
  const table: readonly (readonly [FakeStation, FakeAct, Trouble['cause']])[] = [
    ['greeting', '554 no', 'greeting'],
    ['greeting', '450 busy', 'busy'],
    ['greeting', '421 busy', 'busy'],
    ['greeting', 'close', 'greeting'],
    ['greeting', 'hang', 'greeting'],
    ['greeting', 'HTTP/1.1 400 Bad Request', 'greeting'],
    ['ehlo', '451 4.3.0 later', 'busy'],
    ['ehlo', '421 4.3.0 bye', 'busy'],
    ['ehlo', 'close', 'ehlo'],
    ['ehlo', 'hang', 'ehlo'],
  ];
  for (const [station, act, cause] of table) {
    test(`${station}: ${act} is trouble: ${cause}`, async () => {
      const fake = await primary({ script: at(station, act) });
      const key = station === 'ehlo' ? 'hello' : station;
      const deadlines = act === 'hang' ? { ...RFC_DEADLINES, [key]: 60 } : RFC_DEADLINES;
      const t = await trouble(push(fake, {}, deadlines).handover);
      assert.equal(t.cause, cause);
      assert.match(t.host ?? '', /127\.0\.0\.1/);
    });
  }

  test('EHLO and HELO both refused is trouble, EHLO alone is not', async () => {
    const both = await primary({
      script: (s) => (s === 'ehlo' || s === 'helo' ? '550 5.7.1 no' : undefined),
    });
    assert.equal((await trouble(push(both).handover)).cause, 'ehlo');
    const one = await primary({ script: at('ehlo', '550 no') });
    assert.equal(short(await (await line(push(one).handover)).give(parcel())), 'delivered');
  });

  test('a refused connection is trouble', async () => {
    const fake = await primary();
    await fake.stop();
    assert.equal((await trouble(push(fake).handover)).cause, 'connect');
  });

  test('a host that shows our own token, or our own name, is us: mail never goes there', async () => {
    const token = await primary({ keywords: ['PIPELINING', 'XRESTANTE tok'] });
    assert.equal((await trouble(push(token).handover)).cause, 'loop');
    const name = await primary({ name: 'MX2.test' });
    assert.equal((await trouble(push(name).handover)).cause, 'loop');
    const other = await primary({ keywords: ['PIPELINING', 'XRESTANTE another'] });
    assert.ok(await line(push(other).handover));
  });

  test('a wrong name or certificate is not the host that was expected', async () => {
    const fake = await primary({ name: 'home.test' });
    const expect = (name: string) => push(fake, { expect: { kind: 'ehlo', name } }).handover;
    assert.ok(await line(expect('Home.test')));
    assert.equal((await trouble(expect('other.test'))).cause, 'expect');
    assert.equal(
      (await trouble(push(fake, { expect: { kind: 'fingerprint', sha256: 'ab' } }).handover)).cause,
      'expect',
    );
  });

  test('giving up ends the waiting at once', async () => {
    const fake = await primary({ script: at('greeting', 'hang') });
    const stop = new AbortController();
    const got = push(fake).handover.connect(stop.signal);
    stop.abort();
    assert.equal((await got).kind, 'trouble');
  });
});

describe('recipients', () => {
  test('each has its own outcome, parallel to the envelope', async () => {
    const fake = await primary({
      script: (s, arg) =>
        s !== 'rcpt'
          ? undefined
          : arg.includes('<no')
            ? '550 5.1.1 no'
            : arg.includes('<later')
              ? '450 4.2.0 later'
              : undefined,
    });
    const l = await line(push(fake).handover);
    assert.equal(
      short(await l.give(parcel('a@x', 'no@x', 'later@x', 'b@x'))),
      'delivered failed deferred delivered',
    );
    assert.deepEqual(
      fake.mails.map((m) => m.recipients),
      [['a@x', 'b@x']],
    );
  });

  for (const act of ['452 4.5.3 Too many recipients', '552 too many', '452 too many']) {
    for (const keywords of [ALL_KEYWORDS, [...ALL_KEYWORDS, 'CHUNKING'], ['SIZE']]) {
      test(`${act}: the rest goes at once on the same line (${keywords.length} keywords)`, async () => {
        let inMail = 0;
        const fake = await primary({
          keywords,
          script: (s) => {
            if (s === 'mail') inMail = 0;
            return s === 'rcpt' && ++inMail > 2 ? act : undefined;
          },
        });
        const l = await line(push(fake).handover);
        const given = await Promise.all([
          l.give(parcel('a@x', 'b@x', 'c@x', 'd@x', 'e@x')),
          l.give(parcel('f@x')),
        ]);
        assert.deepEqual(given.map(short), [
          'delivered delivered delivered delivered delivered',
          'delivered',
        ]);
        assert.equal(fake.connections, 1);
        assert.deepEqual(fake.mails.map((m) => m.recipients.join('')).sort(), [
          'a@xb@x',
          'c@xd@x',
          'e@x',
          'f@x',
        ]);
      });
    }
  }

  test('too many for the first recipient already is a deferral, not a circle', async () => {
    const fake = await primary({ script: at('rcpt', '452 4.5.3 Too many') });
    assert.equal(
      short(await (await line(push(fake).handover)).give(parcel('a@x', 'b@x'))),
      'deferred deferred',
    );
  });

  test('the limit that a server names is kept', async () => {
    const fake = await primary({ keywords: ['PIPELINING', 'LIMITS MAILMAX=9 RCPTMAX=2'] });
    await (await line(push(fake).handover)).give(parcel('a@x', 'b@x', 'c@x'));
    assert.deepEqual(
      fake.mails.map((m) => m.recipients),
      [['a@x', 'b@x'], ['c@x']],
    );
  });

  test('what is certain when the line breaks is kept, the rest is open', async () => {
    const fake = await primary({
      script: (s, arg) =>
        s === 'rcpt' && arg.includes('<no') ? '550 5.1.1 no' : s === 'end' ? 'close' : undefined,
    });
    const given = await (await line(push(fake).handover)).give(parcel('a@x', 'no@x'));
    assert.equal(short(given), 'lost: null failed (alive)');
  });
});

describe('a line', () => {
  test('is used for many mails, some of them refused', async () => {
    const fake = await primary({
      script: (s, _arg, nth) => (s === 'rcpt' && nth % 3 === 0 ? '550 5.1.1 no' : undefined),
    });
    const l = await line(push(fake).handover);
    const given = await Promise.all(Array.from({ length: 9 }, () => l.give(parcel())));
    assert.equal(given.map(short).join(' '), 'delivered delivered failed '.repeat(3).trim());
    await l.close();
    assert.equal(fake.connections, 1);
    assert.equal(fake.commands.at(-1), 'QUIT');
  });

  test('after a trouble begins nothing more', async () => {
    const fake = await primary({ script: at('rcpt', '554 5.7.1 Relay access denied') });
    const l = await line(push(fake).handover);
    assert.equal(short(await l.give(parcel())), 'refused: null');
    const before = fake.commands.filter((c) => c.startsWith('MAIL')).length;
    assert.equal(short(await l.give(parcel())), 'refused: null');
    assert.equal(fake.commands.filter((c) => c.startsWith('MAIL')).length, before);
  });

  test('after a trouble begins nothing more, though others are still to be answered', async () => {
    const fake = await primary({
      script: (s, arg) =>
        s === 'rcpt' && arg.includes('<bad')
          ? '554 5.7.1 Relay access denied'
          : s === 'end'
            ? 'hang'
            : undefined,
    });
    const l = await line(push(fake).handover);
    const first = l.give(parcel('bad@x'));
    void l.give(parcel('slow@x'));
    assert.equal(short(await first), 'refused: null');
    assert.equal(short(await l.give(parcel())), 'refused: null');
  });

  test('closed by the peer between two mails says so: it is no trouble of the site', async () => {
    const fake = await primary();
    const l = await line(push(fake).handover);
    await l.give(parcel());
    await fake.stop();
    await new Promise((resolve) => setTimeout(resolve, 20));
    const given = await l.give(parcel());
    assert.ok(given.kind === 'broken' && given.trouble.idle);
  });

  test('lost behind the dot with mails pipelined: each is open, none is taken for delivered', async () => {
    const fake = await primary({ script: (s, _a, nth) => (s === 'end' && nth === 2 ? 'close' : undefined) });
    const l = await line(push(fake).handover);
    const given = await Promise.all([1, 2, 3].map(() => l.give(parcel())));
    assert.deepEqual(given.map(short), ['delivered', 'lost: null (alive)', 'lost: null']);
  });

  test('an unclear refusal of MAIL is about the sender if the null sender is taken', async () => {
    const sender = await primary({
      script: (s, arg) => (s === 'mail' && !arg.includes('<>') ? '554 no' : undefined),
    });
    const l = await line(push(sender).handover);
    assert.equal(short(await l.give(parcel())), 'failed');
    const all = await primary({ script: at('mail', '554 no') });
    assert.equal(short(await (await line(push(all).handover)).give(parcel())), 'refused: null');
  });

  test('content that cannot be read puts off the mail and leaves the line alive', async () => {
    const fake = await primary();
    const l = await line(push(fake).handover);
    assert.equal(short(await l.give({ ...parcel(), open: async () => null })), 'deferred');
    assert.equal(short(await l.give(parcel())), 'delivered');
  });

  test('a place under the limit of connections is free again when the line is gone', async () => {
    const fake = await primary();
    const { handover } = push(fake, { connections: 1 });
    const first = await line(handover);
    const second = handover.connect(new AbortController().signal);
    const early = await Promise.race([second, new Promise((r) => setTimeout(() => r('waits'), 30))]);
    assert.equal(early, 'waits');
    await first.close();
    const got = await second;
    assert.equal(got.kind, 'line');
    if (got.kind === 'line') got.destroy();
  });

  test('what the primary offers is remembered', async () => {
    const fake = await primary({ keywords: ['SIZE 1000', 'DSN'] });
    const { handover, primaries } = push(fake);
    await line(handover);
    const { at: _, ...said } = primaries.capabilities('acme') ?? { at: 0 };
    assert.deepEqual(said, { size: 1000, eightBitMime: false, smtpUtf8: false, dsn: true });
    assert.deepEqual(primaries.sitesAt('127.0.0.1'), ['acme']);
    assert.deepEqual(primaries.addressesOf('acme'), ['127.0.0.1']);
  });
});

describe('TLS', async () => {
  const pems = await generate([{ name: 'commonName', value: 'primary.test' }], {
    keyType: 'ec',
    algorithm: 'sha256',
  });
  const tls = { key: pems.private, cert: pems.cert };

  test('may: a self-signed certificate will do, and the mail goes encrypted', async () => {
    const fake = await primary({ tls });
    assert.equal(short(await (await line(push(fake).handover)).give(parcel())), 'delivered');
    assert.ok(fake.commands.includes('STARTTLS'));
    assert.ok(!fake.reads.some((r, i) => i < 3 && r.includes('MAIL')));
  });

  test('may: a handshake that fails is followed by cleartext on a new connection', async () => {
    const fake = await primary({ tls });
    const refused = await primary({ tls, script: at('starttls', '454 4.7.0 not now') });
    const early = await primary({ tls, script: at('starttls', '220 ready\r\n220 too much') });
    for (const f of [fake, refused, early]) {
      if (f === fake) f.breakTls = true;
      assert.equal(short(await (await line(push(f).handover)).give(parcel())), 'delivered');
      assert.equal(f.connections, 2);
    }
  });

  test('verify: never in clear, never with a certificate that nobody vouches for', async () => {
    const fake = await primary({ tls });
    assert.equal((await trouble(push(fake, { tls: { kind: 'verify' } }).handover)).cause, 'tls');
    const bare = await primary();
    assert.equal((await trouble(push(bare, { tls: { kind: 'verify' } }).handover)).cause, 'tls');
  });

  test('fingerprint: the one certificate and no other', async () => {
    const fake = await primary({ tls });
    const { X509Certificate } = await import('node:crypto');
    const sha256 = new X509Certificate(pems.cert).fingerprint256.replaceAll(':', '').toLowerCase();
    const wish = (print: string) => push(fake, { tls: { kind: 'fingerprint', sha256: [print] } }).handover;
    assert.ok(await line(wish(sha256)));
    assert.equal((await trouble(wish('00'.repeat(32)))).cause, 'tls');
    assert.ok(await line(push(fake, { expect: { kind: 'fingerprint', sha256 } }).handover));
  });

  test('none: STARTTLS is not said', async () => {
    const fake = await primary({ tls });
    await line(push(fake, { tls: { kind: 'none' } }).handover);
    assert.ok(!fake.commands.includes('STARTTLS'));
  });
});

test('a clock that stands still lets nothing time out', async () => {
  const clock = new SimClock();
  const fake = await primary({ script: at('greeting', 'hang') });
  const keyed = openKeyed(':memory:');
  cleanups.push(() => keyed.close());
  const primaries = new Primaries({
    clock,
    log: silent,
    keyed,
    ourselves,
    random: () => 0,
    resolver: new MemoryResolver(),
  });
  const got = pushHandover({ clock, log: silent, site: site(fake.port), primaries }).connect(
    new AbortController().signal,
  );
  while (fake.connections === 0) await clock.settle();
  await clock.advance(4 * 60_000);
  const early = await Promise.race([got, new Promise((r) => setTimeout(() => r('waits'), 10))]);
  assert.equal(early, 'waits');
  await clock.advance(2 * 60_000);
  const t = await got;
  assert.ok(t.kind === 'trouble' && t.cause === 'greeting');
});

test('what one line learns of refusals the next one knows: no content behind a mail that may be refused', async () => {
  const fake = await primary({ script: (at) => (at === 'rcpt' ? '450 4.2.0 Greylisted' : undefined) });
  const { handover } = push(fake);
  for (let n = 0; n < 2; n++) {
    const one = await line(handover);
    const given = await one.give(parcel());
    assert.equal(given.kind === 'answered' && given.outcomes[0]?.kind, 'deferred');
    await one.close();
  }
  assert.equal(fake.reads.join('').match(/^(DATA|BDAT)/gm)?.length, 1, 'only on the first line');
});
