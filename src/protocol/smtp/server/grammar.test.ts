import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { parseCommandLine, parseForwardPath, parseReversePath } from './grammar.ts';
import { decodeXtext, parseMail, parseRcpt } from './parameters.ts';

function address(path: string): string | null {
  const parsed = parseForwardPath(`TO:${path}`);
  return parsed.kind === 'path' ? parsed.address : null;
}

describe('command lines', () => {
  test('are split into verb and arguments, white space around them dropped', () => {
    assert.deepEqual(parseCommandLine(Buffer.from('mail  FROM:<a@b.c>  ')), {
      kind: 'command',
      verb: 'MAIL',
      args: 'FROM:<a@b.c>',
    });
    assert.deepEqual(parseCommandLine(Buffer.from('QUIT')), { kind: 'command', verb: 'QUIT', args: '' });
  });

  test('with control characters or bytes that are no UTF-8 are refused', () => {
    for (const line of ['NO\0OP', 'NOOP \r', 'NOOP \x1b[1m', 'NOOP \x7f', 'NOOP \u0085x', 'a\tb']) {
      assert.equal(parseCommandLine(Buffer.from(line)).kind === 'bad', line !== 'NOOP \r', line);
    }
    assert.equal(parseCommandLine(Buffer.from([0x4e, 0xe4])).kind, 'bad');
  });

  test('never throw, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        const parsed = parseCommandLine(Buffer.from(bytes));
        if (parsed.kind === 'bad') return;
        parseMail(parsed.args);
        parseRcpt(parsed.args, true);
      }),
    );
  });
});

describe('paths', () => {
  const good = [
    'otto@site.example',
    'Otto.Case+tag=x/y@Site.Example',
    "!#$%&'*+-/=?^_`{|}~@site.example",
    '"quoted \\" @ > string"@site.example',
    '""@site.example',
    'dots..anywhere.@docomo.example',
    'otto@localhost',
    'otto@under_score.example',
    'otto@[192.0.2.1]',
    'otto@[IPv6:2001:db8::1]',
    'otto@[IPv6:::ffff:192.0.2.1]',
    'otto@[x-tag:anything]',
    'jörg@bücher.example',
    `${'l'.repeat(255)}@site.example`,
    `otto@${'d'.repeat(63)}.example`,
  ];
  test('of these forms are taken as they are', () => {
    for (const path of good) assert.equal(address(`<${path}>`), path);
  });

  const wrong = [
    '',
    'otto@site.example',
    '<>',
    '<otto>',
    '<@site.example>',
    '<otto@>',
    '<otto@site.example',
    '<otto@site.example.>',
    '<otto@.site.example>',
    '<otto@site..example>',
    '<otto@evil.example@site.example>',
    '<otto@site.example>junk',
    '<otto @site.example>',
    '<"otto@site.example>',
    '<"ot"to@site.example>',
    '<otto@[192.0.2.256]>',
    '<otto@[192.0.2.1>',
    '<otto@[IPv6:fe80::1%eth0]>',
    '<otto@[IPv6:xyz]>',
    '<otto@site,example>',
    '<otto@site.example,anna@site.example>',
    '<ot\u2028to@>',
    `<${'l'.repeat(256)}@site.example>`,
    `<otto@${'d'.repeat(64)}.example>`,
    `<otto@${'ddd.'.repeat(64)}example>`,
    '<@relay.example otto@site.example>',
    '<@relay.example:>',
    '<@:otto@site.example>',
    '<postmaster',
    '<postmaster>@evil.example',
  ];
  test('of these forms are refused with a code for bad syntax', () => {
    for (const path of wrong) {
      const parsed = parseForwardPath(`TO:${path}`);
      assert.equal(parsed.kind, 'bad', path);
      if (parsed.kind === 'bad') assert.equal(parsed.reply.code, 501, path);
    }
  });

  test('source routes are dropped and marked', () => {
    const parsed = parseForwardPath('TO:<@a.example,@b.example:otto@site.example>');
    assert.ok(parsed.kind === 'path' && parsed.sourceRoute);
    assert.equal(parsed.address, 'otto@site.example');
    assert.ok(parseForwardPath('TO:<otto@site.example>').kind === 'path');
  });

  test('the null one is a sender and no recipient; postmaster alone is a recipient and no sender', () => {
    const none = parseReversePath('FROM:<>');
    assert.ok(none.kind === 'path' && none.address === '');
    const bare = parseForwardPath('TO:<PostMaster> NOTIFY=NEVER');
    assert.ok(bare.kind === 'path' && bare.bare && bare.address === 'PostMaster');
    assert.equal(parseReversePath('FROM:<postmaster>').kind, 'bad');
  });

  test('a space after the colon is forgiven', () => {
    assert.equal(address(' <otto@site.example>'), 'otto@site.example');
  });

  test('any well-formed address comes out as it went in, and what follows is left over', () => {
    const atom = fc.stringMatching(/^[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]{1,12}$/);
    const local = fc.oneof(
      fc.array(atom, { minLength: 1, maxLength: 4 }).map((atoms) => atoms.join('.')),
      fc.stringMatching(/^(?:[ !#-[\]-~]|\\[ -~]){0,20}$/).map((text) => `"${text}"`),
    );
    const domain = fc
      .array(fc.stringMatching(/^[a-z0-9-]{1,10}$/), { minLength: 1, maxLength: 4 })
      .map((labels) => labels.join('.'));
    fc.assert(
      fc.property(local, domain, (l, d) => {
        const parsed = parseReversePath(`FROM:<${l}@${d}> SIZE=1`);
        assert.ok(parsed.kind === 'path');
        assert.equal(parsed.address, `${l}@${d}`);
        assert.equal(parsed.rest, 'SIZE=1');
      }),
    );
  });

  test('hostile lines of full length take no time', () => {
    for (const piece of ['@a,', '"\\', 'a.', '<@', '\\"', '@a:', '.-']) {
      const line = `TO:<${piece.repeat(4096 / piece.length)}`;
      const begin = process.cpuUsage().user;
      parseForwardPath(line);
      assert.ok(process.cpuUsage().user - begin < 200_000, piece);
    }
  });
});

describe('parameters', () => {
  test('of MAIL', () => {
    const parsed = parseMail(
      'FROM:<a@b.example> size=123 body=8bitmime SMTPUTF8 ret=full ENVID=x+2By AUTH=<>',
    );
    // RFC 4954 §5: <> means nobody; < and > are xchar.
    assert.deepEqual(parsed.kind === 'mail' && parsed.command, {
      sender: 'a@b.example',
      size: 123,
      body: '8bitmime',
      smtputf8: true,
      ret: 'FULL',
      envid: 'x+2By',
      auth: '<>',
    });
  });

  test('of RCPT, kept as sent', () => {
    const parsed = parseRcpt(
      'TO:<a@b.example> NOTIFY=success,Delay,SUCCESS ORCPT=rfc822;A+2Bb@c.example',
      false,
    );
    assert.deepEqual(parsed.kind === 'rcpt' && parsed.command, {
      address: 'a@b.example',
      bare: false,
      sourceRoute: false,
      notify: ['SUCCESS', 'DELAY'],
      orcpt: 'rfc822;A+2Bb@c.example',
    });
  });

  test('that are absent leave no trace', () => {
    const parsed = parseMail('FROM:<a@b.example>');
    assert.deepEqual(parsed.kind === 'mail' && parsed.command, {
      sender: 'a@b.example',
      body: '7bit',
      smtputf8: false,
    });
  });

  const badMail = [
    'SIZE',
    'SIZE=',
    'SIZE=-1',
    'SIZE=1e9',
    'BODY',
    'SMTPUTF8=1',
    'RET=SOME',
    'ENVID=a+b',
    'ENVID=a+0D+0A',
  ];
  test('with bad values are refused', () => {
    for (const p of [...badMail, `ENVID=${'x'.repeat(101)}`, 'AUTH=', '=x', 'SIZE=1 SIZE=1']) {
      const parsed = parseMail(`FROM:<a@b.example> ${p}`);
      assert.equal(parsed.kind === 'bad' && parsed.reply.code, 501, p);
    }
    for (const p of [
      'NOTIFY',
      'NOTIFY=,',
      'NOTIFY=NEVER,SUCCESS',
      'ORCPT=x',
      'ORCPT=;x',
      'ORCPT=rfc822;',
      'ORCPT=rfc822;a+b',
      'ORCPT=rfc822;ä@b',
    ]) {
      const parsed = parseRcpt(`TO:<a@b.example> ${p}`, true);
      assert.equal(parsed.kind === 'bad' && parsed.reply.code, 501, p);
    }
  });

  test('that nobody knows are 555', () => {
    const parsed = parseMail('FROM:<a@b.example> XFOO');
    assert.equal(parsed.kind === 'bad' && parsed.reply.code, 555);
    const other = parseRcpt('TO:<a@b.example> SIZE=1', false);
    assert.equal(other.kind === 'bad' && other.reply.code, 555);
  });

  test('an ORCPT of type utf-8 may hold UTF-8', () => {
    assert.equal(parseRcpt('TO:<a@b.example> ORCPT=utf-8;jörg@b.example', true).kind, 'rcpt');
  });

  test('non-ASCII addresses need SMTPUTF8', () => {
    assert.equal(parseMail('FROM:<jörg@b.example>').kind, 'bad');
    assert.equal(parseMail('FROM:<jörg@b.example> SMTPUTF8').kind, 'mail');
    assert.equal(parseRcpt('TO:<a@bücher.example>', false).kind, 'bad');
  });

  test('xtext is decoded; what it must not hide is refused', () => {
    assert.equal(decodeXtext('a+2Bb+3Dc'), 'a+b=c');
    for (const text of ['a+2b', 'a+', 'a=b', 'a+0A', 'a b']) assert.equal(decodeXtext(text), null, text);
  });
});
