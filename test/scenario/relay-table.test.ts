/**
 * Promise 2, no open relay: each row of the table is played, and no trick is taken. DESIGN.md §4.
 */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { parseCommandLine } from '../../src/protocol/smtp/grammar.ts';
import { House, makeSite, STRANGER, status, type Visit } from './receive-harness.ts';
import { REFUSED, TAKEN, type Trick } from './relay-table.data.ts';

const LIST = `# the recipients of the site "listed"
alice@listed.example
bob
fifty%off@listed.example
@catchall.example
`;

let folder = '';
let house: House;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'relay-'));
  const path = join(folder, 'listed.txt');
  await writeFile(path, LIST);
  house = new House(
    [
      makeSite('acme', ['acme.example', '.acme.example', 'bücher.example']),
      makeSite('listed', ['listed.example', 'catchall.example'], { recipients: { kind: 'file', path } }),
    ],
    { names: ['mx2.restante.example', 'mx2.customer.example', 'mx2.acme.example'] },
  );
  house.primaries.set('192.0.2.80', ['acme']);
});

after(() => rm(folder, { recursive: true }));

/** What a line gets: refusals of the grammar, then of policy. */
async function say(visit: Visit, verb: 'mail' | 'rcpt', args: string): Promise<string> {
  const parsed = parseCommandLine(Buffer.from(`${verb} ${args}`));
  return parsed.kind === 'bad' ? status(parsed.reply) : visit[verb](parsed.args);
}

async function play(trick: Trick): Promise<{ visit: Visit; reply: string }> {
  const visit = house.visit(trick.peer ?? STRANGER);
  assert.equal(await say(visit, 'mail', trick.mail ?? 'FROM:<a@sender.example>'), '250 2.1.0');
  return { visit, reply: await say(visit, 'rcpt', trick.rcpt) };
}

describe('the open-relay table', () => {
  test('has at least 60 tricks, each a different one', () => {
    assert.ok(REFUSED.length >= 60, `${REFUSED.length}`);
    const lines = REFUSED.map((t) => `${t.peer} ${t.mail} ${t.rcpt}`);
    assert.equal(new Set(lines).size, lines.length);
    assert.equal(new Set(REFUSED.map((t) => t.claim)).size, lines.length);
  });

  for (const trick of REFUSED) {
    test(`refused: ${trick.claim}: ${JSON.stringify(trick.rcpt)}`, async () => {
      const { visit, reply } = await play(trick);
      assert.equal(reply, trick.reply ?? '550 5.7.1');
      // Nothing of the refusal is left in the transaction: without a recipient there is no content.
      assert.equal(await visit.data('x\r\n'), '503 5.5.1');
      // Nor does it go along with a recipient who is taken.
      assert.equal(await visit.rcpt('TO:<joe@acme.example>'), '250 2.1.5');
      assert.equal(await visit.data('x\r\n'), '250 2.0.0');
      const entries = house.spool.mails.at(-1)?.entries ?? [];
      assert.deepEqual(
        entries.map((e) => [e.queue, e.envelope.recipients]),
        [['acme', [{ address: 'joe@acme.example' }]]],
      );
    });
  }

  for (const trick of TAKEN) {
    test(`taken: ${trick.claim}: ${JSON.stringify(trick.rcpt)}`, async () => {
      const { visit, reply } = await play(trick);
      assert.equal(reply, '250 2.1.5');
      assert.equal(await visit.data('x\r\n'), '250 2.0.0');
      const entries = house.spool.mails.at(-1)?.entries ?? [];
      assert.deepEqual(
        entries.map((e) => `${e.queue} ${e.envelope.recipients.map((r) => r.address)}`),
        [trick.to],
      );
    });
  }
});
