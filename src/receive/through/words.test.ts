import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { reply } from '../../mail/reply.ts';
import { type Inner, passedOn } from './words.ts';

const inner: Inner = {
  names: ['mail.inner.corp.example', 'mx1.acme.example', 'store'],
  domains: ['acme.example', '.branch.example'],
  told: ['joe@sender.example', 'u@acme.example', '198.51.100.10'],
};
const said = (text: string, of: Inner | null = inner) => passedOn(reply(550, '5.1.1', text), of).text[0];

describe('of a hidden primary', () => {
  const table: readonly (readonly [string, string, string])[] = [
    ['its name', 'from mail.inner.corp.example: no', 'from (hidden): no'],
    ['its name in other letters', 'MAIL.Inner.corp.example says', '(hidden) says'],
    ['names beside it', 'db1.inner.corp.example refused', '(hidden) refused'],
    ['a name without dots', 'queued on store as 4X', 'queued on (hidden) as 4X'],
    ['an address behind it', 'write to root@inner.corp.example', 'write to root@(hidden)'],
    ['its address', 'at [10.0.0.5] and 10.0.0.5:25', 'at [(hidden)] and (hidden):25'],
    ['its IPv6 address', 'at [fd00::5], IPv6:fd00:1:2:3:4:5:6:7', 'at [(hidden)], IPv6:(hidden)'],
  ];
  for (const [what, text, told] of table) test(`${what} is cut`, () => assert.equal(said(text), told));

  for (const text of [
    '<u@acme.example>: no such user',
    'the client 198.51.100.10 is too fast',
    'at 12:34:56 try 5.1.1 or Exim 4.96',
    'restore storeroom',
    'mail for acme.example and other.acme.example',
  ]) {
    test(`stays: ${text}`, () => assert.equal(said(text), text));
  }

  test('its name is in no text, whatever stands around it', () => {
    const piece = fc.constantFrom(
      'mail.inner.corp.example',
      'u@acme.example',
      'joe@sender.example',
      ' ',
      '[',
      '<',
      '@',
      ':',
      ' at ',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 8 }), (pieces) => {
        // Words that run into each other are other words.
        const text = pieces.join(' ');
        assert.doesNotMatch(said(text) ?? '', /inner\.corp/);
      }),
    );
  });
});

test('a primary without a name, or named by an address or by the domain, hides no more than its address', () => {
  const bare = { ...inner, names: ['', '192.0.2.1', 'acme.example'] };
  assert.equal(
    said('192.0.2.1 for acme.example says 1.0.2.1', bare),
    '(hidden) for acme.example says (hidden)',
  );
});

test('of one that is not hidden nothing is cut', () => {
  const text = 'mail.inner.corp.example[10.0.0.5] says no';
  assert.equal(said(text, null), text);
});

test('whatever a primary says, a reply is one that may be said', () => {
  const any = fc.record({
    code: fc.integer({ min: 400, max: 599 }),
    enhanced: fc.option(fc.constantFrom('2.1.5', '4.2.0', '5.1.1'), { nil: undefined }),
    text: fc.array(fc.string({ unit: 'binary', maxLength: 600 }), { minLength: 1, maxLength: 20 }),
  });
  fc.assert(
    fc.property(any, fc.constantFrom(null, inner), (r, of) => {
      const told = passedOn({ code: r.code, text: r.text, ...(r.enhanced && { enhanced: r.enhanced }) }, of);
      assert.equal(told.code, r.code);
      assert.equal(told.enhanced?.[0], String(r.code)[0]);
      assert.ok(told.text.length >= 1 && told.text.length <= 8);
      for (const line of told.text) assert.match(line, /^[ -~]{0,400}$/);
    }),
  );
});
