/**
 * Promise 2, no open relay: each row of the table is played through the engine
 * over a loopback socket, and no trick is taken. DESIGN.md §4.
 */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { House, listed, makeSite, STRANGER } from './receive-harness.ts';
import { type Caller, Port } from './receive-wire.ts';
import { REFUSED, TAKEN, type Trick } from './relay-table.data.ts';

const LIST = `# the recipients of the site "listed"
alice@listed.example
bob
fifty%off@listed.example
@catchall.example
`;

let folder = '';
let house: House;
let port: Port;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'relay-'));
  const path = join(folder, 'listed.txt');
  await writeFile(path, LIST);
  house = new House(
    [
      makeSite('acme', ['acme.example', '.acme.example', 'bücher.example']),
      makeSite('listed', ['listed.example', 'catchall.example'], { recipients: listed(path) }),
    ],
    { names: ['mx2.restante.example', 'mx2.customer.example', 'mx2.acme.example'] },
  );
  house.primaries.set('192.0.2.80', ['acme']);
  port = new Port(house);
  await port.open();
});

after(async () => {
  port.close();
  await rm(folder, { recursive: true });
});

async function play(trick: Trick): Promise<{ caller: Caller; reply: string }> {
  const caller = await port.call(trick.peer ?? STRANGER);
  assert.equal(await caller.say(`MAIL ${trick.mail ?? 'FROM:<a@sender.example>'}`), '250 2.1.0');
  return { caller, reply: await caller.say(`RCPT ${trick.rcpt}`) };
}

/** `queue addresses` of each entry that one more mail made. */
async function entriesOf(caller: Caller): Promise<string[]> {
  const before = house.spool.mails.length;
  assert.equal(await caller.say('DATA'), '354');
  assert.equal(await caller.say('Subject: x\r\n\r\n.'), '250 2.0.0');
  caller.close();
  assert.equal(house.spool.mails.length, before + 1);
  const entries = house.spool.mails.at(-1)?.entries ?? [];
  return entries.map((e) => `${e.queue} ${e.envelope.recipients.map((r) => r.address)}`);
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
      const { caller, reply } = await play(trick);
      assert.equal(reply, trick.reply ?? '550 5.7.1');
      // Nothing of the refusal is left in the transaction: without a recipient there is no content.
      assert.equal(await caller.say('DATA'), '554 5.5.1');
      // Nor does it go along with a recipient who is taken.
      assert.equal(await caller.say('RCPT TO:<joe@acme.example>'), '250 2.1.5');
      assert.deepEqual(await entriesOf(caller), ['acme joe@acme.example']);
    });
  }

  for (const trick of TAKEN) {
    test(`taken: ${trick.claim}: ${JSON.stringify(trick.rcpt)}`, async () => {
      const { caller, reply } = await play(trick);
      assert.equal(reply, '250 2.1.5');
      assert.deepEqual(await entriesOf(caller), [trick.to]);
    });
  }
});
