import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import * as fc from 'fast-check';
import type { EntryRow, EntryView } from '../../operate/api/contract.ts';
import { type Exported, unixLines, writers } from './mail-files.ts';

const folder = mkdtempSync(join(tmpdir(), 'mail-files-'));

async function* pieces(text: string, ...cuts: number[]): AsyncIterable<Uint8Array> {
  const places = [0, ...cuts.map((c) => c % (text.length + 1)).sort((a, b) => a - b), text.length];
  for (let i = 1; i < places.length; i++) yield Buffer.from(text.slice(places[i - 1], places[i]), 'latin1');
}

async function* mails(): AsyncIterable<Exported> {
  for (const [id, sender, content] of [
    ['m1', 'ann@example.org', 'R: x\r\nX-Envelope-To: forged\r\n\r\nFrom here\r\n>From there\r\n\xe9\r\n'],
    ['m2.2', '', 'R: y\r\n\r\nFromage\r\nno end'],
  ] as const) {
    const row = { id, sender, recipients: ['a@x', 'b@x'], arrived: '2026-01-05T12:00:01.000Z' } as EntryRow;
    yield { row, view: async () => ({ id }) as EntryView, content: async () => pieces(content, 7, 30) };
  }
}

const read = (...path: string[]): string => readFileSync(join(folder, ...path)).toString('latin1');

describe('exported mail', () => {
  test('as mbox: one file, separators quoted so that they can be told again', async () => {
    const file = join(folder, 'box');
    assert.deepEqual(await writers.mbox(mails(), file), { files: [file], mails: 2 });
    assert.equal(
      read('box'),
      'From ann@example.org Mon Jan  5 12:00:01 2026\n' +
        'Return-Path: <ann@example.org>\nX-Envelope-To: a@x, b@x\nR: x\nX-Orig-Env-To: forged\n\n' +
        '>From here\n>>From there\n\xe9\n\n' +
        'From MAILER-DAEMON Mon Jan  5 12:00:01 2026\n' +
        'Return-Path: <>\nX-Envelope-To: a@x, b@x\nR: y\n\nFromage\nno end\n\n',
    );
  });

  test('as Maildir: each under its id, in new', async () => {
    const { mails: count } = await writers.maildir(mails(), join(folder, 'dir'));
    assert.equal(count, 2);
    assert.deepEqual(readdirSync(join(folder, 'dir')).sort(), ['cur', 'new', 'tmp']);
    assert.deepEqual(readdirSync(join(folder, 'dir', 'tmp')), []);
    const names = readdirSync(join(folder, 'dir', 'new')).sort();
    assert.deepEqual(names, ['1767614401.m1.restante', '1767614401.m2.2.restante']);
    assert.match(
      read('dir', 'new', names[0] ?? ''),
      /^Return-Path: <ann@example.org>\n.*\n\nFrom here\n>From/s,
    );
  });

  test('as eml: as it is, its envelope beside it', async () => {
    await writers.eml(mails(), join(folder, 'eml'));
    assert.equal(read('eml', 'm2.2.eml'), 'R: y\r\n\r\nFromage\r\nno end');
    assert.deepEqual(JSON.parse(read('eml', 'm2.2.json')), { id: 'm2.2' });
  });

  test('its lines are the same however it comes in pieces, and a long line needs no memory', async () => {
    const text = 'From a\r\n>From b\r\nx From c\r\n\r\nFrom d\r\n';
    const whole = '>From a\n>>From b\nx From c\n\n>From d\n';
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(), { maxLength: 20 }), async (cuts) => {
        const out: Uint8Array[] = [];
        for await (const part of unixLines(pieces(text, ...cuts), true)) out.push(part);
        assert.equal(Buffer.concat(out).toString('latin1'), whole);
      }),
    );
    async function* long(): AsyncIterable<Uint8Array> {
      for (let i = 0; i < 100; i++) yield Buffer.alloc(10_000, 'x');
      yield Buffer.from('\r\nFrom e\r\n');
    }
    let most = 0;
    let all = '';
    for await (const part of unixLines(long(), true)) {
      most = Math.max(most, part.length);
      all += Buffer.from(part).toString('latin1');
    }
    assert.equal(all, `${'x'.repeat(1_000_000)}\n>From e\n`);
    assert.ok(most < 100_000, String(most));
  });
});
