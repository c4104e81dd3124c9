/** The examiner of the peer tests is able to fail: each kind of damage is seen. Needs no lab. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { audit } from './audit.ts';
import { type CorpusSpec, corpusMail } from './corpus.ts';
import { postfix } from './mta.ts';

const spec: CorpusSpec = {
  name: 'audit.a-b',
  count: 3,
  size: [500, 900],
  sender: 'a@b.test',
  domains: ['example.test'],
};
const CONTENT = Buffer.from(
  corpusMail(spec, 1).content.toString('latin1').replaceAll('\r\n', '\n'),
  'latin1',
);
const ABOVE =
  'X-Original-To: u1@example.test\nReceived: from x\n\tby primary.example.test (Postfix) id 9; today\n';
const ours = (id: string): string =>
  `Received: from s\n\tby backup.example.test\n\t(Restante) with ESMTP id ${id};\n today\n`;
const THEIRS = 'Received: from localhost\n\tby sender.example.test (Postfix) id 7; today\n';

function examine(...files: Buffer[]) {
  const share = mkdtempSync(join(tmpdir(), 'restante-audit-'));
  try {
    const folder = join(share, 'mail/primary/new');
    mkdirSync(folder, { recursive: true });
    files.forEach((file, i) => {
      writeFileSync(join(folder, String(i)), file);
    });
    return audit({ share }, spec, postfix('sender'), postfix('primary'));
  } finally {
    rmSync(share, { recursive: true });
  }
}
const file = (id: string, content = CONTENT, between = THEIRS): Buffer =>
  Buffer.concat([Buffer.from(ABOVE + ours(id) + between), content]);

test('a mail that is as it was sent is one copy and nothing wrong', () => {
  const found = examine(file('A1'));
  assert.deepEqual(found.wrong, []);
  assert.deepEqual([...found.copies], [['1 u1@example.test', ['A1']]]);
});

test('a changed octet, a missing line end, an added one are seen', () => {
  const changed = Buffer.from(CONTENT);
  changed[changed.length - 20] = (changed[changed.length - 20] ?? 0) ^ 1;
  for (const content of [changed, CONTENT.subarray(0, -1), Buffer.concat([CONTENT, Buffer.from('\n')])]) {
    assert.match(examine(file('A1', content)).wrong.join(), /differs at octet/);
  }
});

test("a field between ours and the sender's, or a missing field of ours, is seen", () => {
  assert.equal(examine(file('A1', CONTENT, `X-Added: 1\n${THEIRS}`)).wrong.length, 2);
  const without = Buffer.concat([Buffer.from(ABOVE + THEIRS), CONTENT]);
  assert.match(examine(without).wrong.join(), /no Received field of ours/);
});

test('repeats under one id are ours, under different ids the sender’s', () => {
  const found = examine(file('A1'), file('A1'), file('B2'));
  assert.deepEqual([found.ours, found.senders], [1, 1]);
});
