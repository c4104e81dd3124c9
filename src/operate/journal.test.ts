import assert from 'node:assert/strict';
import { appendFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { SimClock } from '../../test/support/sim-clock.ts';
import { DAY } from '../base/clock.ts';
import { Journal, REFUSALS, readRefusals, readTrace } from './journal.ts';

const spool = () => mkdtempSync(join(tmpdir(), 'journal-'));
const line = (event: string, mail: string, more = {}) =>
  `${JSON.stringify({ level: 'info', mail, ...more, event })}\n`;
const events = async (folder: string, id: string) => (await readTrace(folder, id)).map((l) => l.event);

describe('journal', () => {
  test('the life of one mail is told in order, over days, and of no other mail', async () => {
    const folder = spool();
    const clock = new SimClock();
    const journal = new Journal(folder, clock);
    journal.write(line('mail accepted', 'm1'));
    journal.write(line('mail accepted', 'm11'));
    await journal.flush();
    clock.jump(DAY);
    journal.write(line('mail put off', 'm1', { why: 'says "mail":"m2"' }));
    await journal.flush();
    clock.jump(3 * DAY);
    journal.write(line('mail delivered', 'm1', { entry: 'm1.2' }));
    await journal.close();
    assert.deepEqual(await events(folder, 'm1'), ['mail accepted', 'mail put off', 'mail delivered']);
    assert.deepEqual(await events(folder, 'm1.2'), ['mail accepted', 'mail put off', 'mail delivered']);
    assert.deepEqual(await events(folder, 'm2'), []);
    assert.equal(readdirSync(join(folder, 'trace')).length, 3);
  });

  test('days before its acceptance are not read', async () => {
    const folder = spool();
    mkdirSync(join(folder, 'trace'));
    writeFileSync(join(folder, 'trace', '2026-01-01.jsonl'), line('an older one', 'm1'));
    writeFileSync(join(folder, 'trace', '2026-01-02.jsonl'), line('mail accepted', 'm1'));
    assert.deepEqual(await events(folder, 'm1'), ['mail accepted']);
  });

  test('lines are written a tenth of a second later, by themselves', async () => {
    const folder = spool();
    const clock = new SimClock();
    const journal = new Journal(folder, clock);
    journal.write(line('mail accepted', 'm1'));
    assert.deepEqual(await events(folder, 'm1'), []);
    await clock.advance(100);
    await journal.flush();
    assert.deepEqual(await events(folder, 'm1'), ['mail accepted']);
    await journal.close();
  });

  test('lines longer than a piece of the file, and a torn last one, do no harm', async () => {
    const folder = spool();
    const journal = new Journal(folder, new SimClock());
    for (let i = 0; i < 40; i++) {
      journal.write(line('filler', `f${i}`));
      journal.write(line('step', 'm1', { i, text: 'x'.repeat(100_000) }));
    }
    await journal.close();
    const [day = ''] = readdirSync(join(folder, 'trace'));
    appendFileSync(join(folder, 'trace', day), '{"level":"info","mail":"m1","ev');
    const life = await readTrace(folder, 'm1');
    assert.deepEqual(
      life.map((l) => l.i),
      Array.from({ length: 40 }, (_, i) => i),
    );
  });

  test('files older than sixty days go when a new day begins', async () => {
    const folder = spool();
    const clock = new SimClock();
    const journal = new Journal(folder, clock);
    for (const days of [1, 59, 1]) {
      journal.write(line('x', 'm1'));
      await journal.flush();
      clock.jump(days * DAY);
    }
    journal.write(line('x', 'm1'));
    await journal.close();
    assert.deepEqual(readdirSync(join(folder, 'trace')).sort(), [
      '2026-01-06.jsonl',
      '2026-03-06.jsonl',
      '2026-03-07.jsonl',
    ]);
  });

  test('a disk that fails is told once a minute, and the one who logs never notices', async () => {
    const folder = spool();
    const clock = new SimClock();
    const told: number[] = [];
    const journal = new Journal(folder, clock, (_why, lost) => void told.push(lost));
    writeFileSync(join(folder, 'trace'), 'in the way');
    for (let i = 0; i < 3; i++) {
      journal.write(line('x', 'm1'));
      await journal.flush();
    }
    assert.deepEqual(told, [1]);
    await clock.advance(60_000);
    rmSync(join(folder, 'trace'));
    journal.write(line('mail accepted', 'm1'));
    await journal.close();
    assert.deepEqual(await events(folder, 'm1'), ['mail accepted']);
  });

  test('what cannot be written does not fill the memory', () => {
    const told: string[] = [];
    const journal = new Journal(spool(), new SimClock(), (why) => void told.push(why));
    const long = line('x', 'm1', { text: 'x'.repeat(200_000) });
    for (let i = 0; i < 100; i++) journal.write(long);
    assert.equal(told.length, 1);
  });
});

describe('what was refused', () => {
  const refused = (sender: string, recipient: string, more = {}) =>
    `${JSON.stringify({ level: 'info', sender, recipient, ...more, event: 'recipient refused' })}\n`;
  const told = async (folder: string, address: string) =>
    (await readRefusals(folder, address)).map((line) => `${line.sender} ${line.recipient}`);

  test('is told by sender and recipient, over days, and not with the lives of mails', async () => {
    const folder = spool();
    const clock = new SimClock();
    const journal = new Journal(folder, clock, undefined, REFUSALS);
    journal.write(refused('A@x.example', 'joe@acme.example'));
    journal.write(refused('b@x.example', 'ann@acme.example', { why: 'joe@acme.example' }));
    journal.write(refused('"q q"@x.example', 'ann@acme.example'));
    await journal.flush();
    clock.jump(DAY);
    journal.write(refused('c@x.example', 'Joe@acme.example', { mail: 'm1' }));
    await journal.close();
    assert.deepEqual(await told(folder, 'JOE@acme.example'), [
      'A@x.example joe@acme.example',
      'c@x.example Joe@acme.example',
    ]);
    assert.deepEqual(await told(folder, 'a@x.example'), ['A@x.example joe@acme.example']);
    assert.deepEqual(await told(folder, '"q q"@x.example'), ['"q q"@x.example ann@acme.example']);
    assert.deepEqual(await events(folder, 'm1'), []);
    assert.deepEqual(await told(spool(), 'a@x.example'), []);
  });

  test('is bounded by day and days, across restarts; the lives of mails stay', async () => {
    const folder = spool();
    const clock = new SimClock();
    const lives = new Journal(folder, clock);
    lives.write(line('mail accepted', 'm1'));
    await lives.close();
    for (let i = 0; i < 3; i++) {
      const journal = new Journal(folder, clock, undefined, { ...REFUSALS, most: 150 });
      journal.write(refused(`${i}@x.example`, 'joe@acme.example'));
      await journal.close();
    }
    assert.equal((await told(folder, 'joe@acme.example')).length, 2);
    clock.jump(15 * DAY);
    const journal = new Journal(folder, clock, undefined, REFUSALS);
    journal.write(refused('new@x.example', 'joe@acme.example'));
    await journal.close();
    assert.deepEqual(await told(folder, 'joe@acme.example'), ['new@x.example joe@acme.example']);
    assert.deepEqual(await events(folder, 'm1'), ['mail accepted']);
  });

  test('only the latest are told', async () => {
    const folder = spool();
    const journal = new Journal(folder, new SimClock(), undefined, REFUSALS);
    for (let i = 0; i < 300; i++) journal.write(refused(`${i}@x.example`, 'joe@acme.example'));
    await journal.close();
    const all = await told(folder, 'joe@acme.example');
    assert.deepEqual([all.length, all.at(-1)], [200, '299@x.example joe@acme.example']);
  });
});
