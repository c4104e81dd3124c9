/**
 * Those who look at content: what they see, what they may change, and what is left when they refuse.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { HEADER_SCAN_LIMIT } from '../../src/mail/header.ts';
import type { Inspected, Inspector, Opinion } from '../../src/policy/inspect.ts';
import { reject } from '../../src/policy/verdict.ts';
import { House, makeSite } from './receive-harness.ts';

const HEADER = 'From: a@sender.example\r\nX-Old: 1\r\nSubject: x\r\n\r\n';
const BODY = 'first line\r\nlast line\r\n';
const PASS: Opinion = { kind: 'accept' };

/** Sees a mail, and says `opinion` at its end. */
class Looker implements Inspector {
  readonly name = 'looker';
  seen = '';
  ended = '';
  readonly #opinion: Opinion;
  readonly #begin: (mail: Inspected) => void;

  constructor(opinion: Opinion, begin: (mail: Inspected) => void = () => {}) {
    this.#opinion = opinion;
    this.#begin = begin;
  }

  begin(mail: Inspected) {
    this.#begin(mail);
    return {
      write: async (chunk: Uint8Array) => void (this.seen += Buffer.from(chunk).toString('latin1')),
      end: async () => {
        this.ended += 'end ';
        return this.#opinion;
      },
      abort: () => void (this.ended += 'abort '),
    };
  }
}

const houseWith = (...inspectors: Inspector[]) =>
  new House([makeSite('one', ['one.example'])], {}, undefined, [], inspectors);

async function give(house: House, ...chunks: string[]): Promise<string> {
  const visit = house.visit();
  await visit.mail('FROM:<a@sender.example>');
  await visit.rcpt('TO:<u@one.example>');
  return visit.data(...chunks);
}

describe('content that is looked at', () => {
  test('is seen whole, and held as it came, however it was cut', async () => {
    const whole = HEADER + BODY;
    for (let cut = 0; cut <= whole.length; cut++) {
      const looker = new Looker(PASS);
      const house = houseWith(looker);
      assert.equal(await give(house, whole.slice(0, cut), whole.slice(cut)), '250 2.0.0');
      assert.equal(looker.seen, whole);
      const [held] = house.spool.mails;
      assert.ok(`${held?.head}${held?.body}`.endsWith(`\r\n${whole}`), `cut at ${cut}`);
      assert.equal(looker.ended, 'end ');
    }
  });

  test('a header without an end is a header', async () => {
    const house = houseWith(
      new Looker({ kind: 'accept', edits: [{ kind: 'remove', name: 'X-Old', at: 1 }] }),
    );
    assert.equal(await give(house, 'From: a@sender.example\r\nX-Old: 1\r\n'), '250 2.0.0');
    const [held] = house.spool.mails;
    assert.ok(held?.head.endsWith('\r\nFrom: a@sender.example\r\n'));
    assert.equal(held?.body.length, 0);
  });

  test('fields stand below our Received, edits are made, one after the other', async () => {
    const first = new Looker(
      { kind: 'accept', edits: [{ kind: 'remove', name: 'X-Old', at: 1 }] },
      ({ findings }) => {
        findings.fields.push('X-Ours: 1\r\n');
        findings.mark('seen');
      },
    );
    const second = new Looker({
      kind: 'accept',
      edits: [{ kind: 'insert', name: 'X-New', value: ' 2', before: 1 }],
    });
    const house = houseWith(first, second);
    assert.equal(await give(house, HEADER, BODY), '250 2.0.0');
    const [held] = house.spool.mails;
    assert.match(
      held?.head ?? '',
      /^Received: from [\s\S]*\r\nX-Ours: 1\r\nFrom: a@sender\.example\r\nX-New: 2\r\nSubject: x\r\n\r\n$/,
    );
    assert.equal(held?.body.toString(), BODY);
    const origin = held?.entries[0]?.origin;
    assert.deepEqual(origin?.kind === 'received' && origin.marks, ['seen']);
  });

  test('another body takes the place of the one that came', async () => {
    const house = houseWith(
      new Looker({ kind: 'accept', body: [Buffer.from('new\r\n'), Buffer.from('body\r\n')] }),
    );
    assert.equal(await give(house, HEADER, BODY), '250 2.0.0');
    const [held] = house.spool.mails;
    assert.equal(held?.body.toString(), 'new\r\nbody\r\n');
  });

  test('a refusal leaves nothing', async () => {
    const refuses = new Looker(reject(550, '5.7.1', 'No', 'a test'));
    const other = new Looker(PASS);
    const house = houseWith(refuses, other);
    assert.equal(await give(house, HEADER, BODY), '550 5.7.1');
    assert.equal(house.spool.mails.length, 0);
    assert.equal(house.spool.open, 0);
    assert.equal(house.logged('mail refused')[0]?.why, 'a test');
  });

  test('a connection that breaks is told to those who look', async () => {
    const looker = new Looker(PASS);
    const house = houseWith(looker);
    const visit = house.visit();
    await visit.mail('FROM:<a@sender.example>');
    await visit.rcpt('TO:<u@one.example>');
    const sink = await visit.session.content();
    if ('code' in sink) throw new Error('refused');
    await sink.write(Buffer.from(HEADER));
    visit.session.closed();
    assert.equal(looker.ended, 'abort ');
    assert.equal(house.spool.open, 0);
  });

  test('a mail in quarantine is held from the beginning', async () => {
    const house = houseWith(new Looker(PASS, ({ findings }) => void (findings.quarantine = 'looks odd')));
    assert.equal(await give(house, HEADER, BODY), '250 2.0.0');
    assert.deepEqual(house.spool.mails[0]?.entries[0]?.hold, { kind: 'operator', reason: 'looks odd' });
  });

  test('a header that is too long is passed on unchanged, with a mark', async () => {
    const edits = [{ kind: 'insert', name: 'X-New', value: ' 2', before: 0 }] as const;
    const house = houseWith(new Looker({ kind: 'accept', edits }));
    const long = `${'X-Long: 0123456789012345678901234567890123456789\r\n'.repeat(HEADER_SCAN_LIMIT / 40)}\r\n`;
    assert.equal(
      await give(house, long.slice(0, 1000), long.slice(1000, -2), long.slice(-2) + BODY),
      '250 2.0.0',
    );
    const [held] = house.spool.mails;
    assert.ok(held?.body.equals(Buffer.from(long + BODY)));
    assert.deepEqual(house.logged('mail accepted')[0]?.marks, ['header too long to be changed']);
  });
});
