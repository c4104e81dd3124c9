import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { mkdtemp, rename, rm, truncate, unlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { House, type Line, listed, listLog, makeSite } from '../../../test/scenario/receive-harness.ts';
import { SECOND } from '../../base/clock.ts';
import type { Asking } from '../check.ts';
import { Findings } from '../findings.ts';
import { RecipientFile } from './file.ts';
import { readList } from './list.ts';
import { nameOf } from './names.ts';

describe('a list of recipients', () => {
  const parse = (text: string) => readList([Buffer.from(text)], { seed: 7 });
  const look = async (text: string, address: string) => (await parse(text)).list.lookup(nameOf(address, '+'));

  const rows: [claim: string, line: string, address: string, lookup: string][] = [
    ['a full address', 'joe@a.example', 'joe@a.example', 'listed'],
    ['case means nothing', 'Joe@A.Example', 'jOE@a.eXAMPLE', 'listed'],
    ['another domain is another address', 'joe@a.example', 'joe@b.example', 'absent'],
    ['a local part is good at each domain', 'joe', 'joe@b.example', 'listed'],
    ['a catch-all', '@a.example', 'anybody@a.example', 'catch-all'],
    ['a catch-all is of one domain', '@a.example', 'anybody@b.example', 'absent'],
    ['quotes that are not needed, in the list', '"joe"@a.example', 'joe@a.example', 'listed'],
    ['quotes that are not needed, in the address', 'joe@a.example', '"j\\oe"@a.example', 'listed'],
    ['a space in quotes', '"joe doe"@a.example', '"Joe Doe"@a.example', 'listed'],
    ['a quoted local part alone', '"joe doe"', '"joe doe"@a.example', 'listed'],
    ['a quoted at-sign is no other address', 'a@b.example', '"a@b.example"@c.example', 'absent'],
    ['a quoted at-sign that is listed', '"a@b"@c.example', '"a@b"@c.example', 'listed'],
    ['A-label for U-label', 'joe@bücher.example', 'joe@xn--bcher-kva.example', 'listed'],
    ['a UTF-8 local part in either composition', 'JO\u0308RG@a.example', 'jörg@a.example', 'listed'],
    ['a comment', '# joe@a.example', 'joe@a.example', 'absent'],
    ['a hash within a local part', 'a#b@a.example', 'a#b@a.example', 'listed'],
    ['a comment behind an address', 'joe@a.example # he', 'joe@a.example', 'listed'],
    ["a line of Postfix's map", 'joe@a.example\tOK', 'joe@a.example', 'listed'],
    ['white space before', '  joe@a.example', 'joe@a.example', 'listed'],
    ['CRLF', 'x\r\njoe@a.example\r', 'joe@a.example', 'listed'],
    ['a byte order mark', '\ufeffjoe@a.example', 'joe@a.example', 'listed'],
    ['a sub-address belongs to its mailbox', 'joe@a.example', 'joe+x@a.example', 'listed'],
    ['a sub-address of a local part', 'joe', 'JOE+x+y@a.example', 'listed'],
    ['a mailbox does not belong to its sub-address', 'joe+x@a.example', 'joe@a.example', 'absent'],
    ['a sub-address with a route is none', 'joe@a.example', 'joe+x%b.example@a.example', 'absent'],
    ['nothing before the delimiter', '+x', '+y@a.example', 'absent'],
    ['virtual of Postfix', 'joe@a.example joe@b.example, jane@b.example', 'joe@a.example', 'listed'],
    ['a target of virtual', 'joe@a.example joe@b.example, jane@b.example', 'jane@b.example', 'absent'],
    ['a continued line', 'joe@a.example joe@b.example,\n  jane@b.example', 'jane@b.example', 'absent'],
    ['behind a continued line', 'joe@a.example x,\n  y\njane@a.example', 'jane@a.example', 'listed'],
    ['an alias', 'staff: joe, jane', 'staff@a.example', 'listed'],
    ['an alias without a space', 'staff:joe', 'staff@a.example', 'listed'],
    ['an alias with one before the colon', '"the staff" : joe', '"the staff"@a.example', 'listed'],
    ['who stands behind an alias', 'staff: joe,\n\tjane', 'jane@a.example', 'absent'],
    ['an error of virtusertable', 'joe@a.example\terror:nouser 550 No such user', 'joe@a.example', 'absent'],
    ['... beside a catch-all', '@a.example x\njoe@a.example error:nouser No', 'joe@a.example', 'absent'],
    ['a catch-all that is an error', '@a.example error:nouser No such user', 'ann@a.example', 'absent'],
    ['any sub-address in virtusertable', 'info+*@a.example joe', 'info+list@a.example', 'listed'],
  ];
  for (const [claim, line, address, lookup] of rows) {
    test(claim, async () => assert.equal(await look(`other\n${line}\nanother`, address), lookup));
  }

  test('bad lines are counted, the first is named, the others are good', async () => {
    const parsed = await parse('joe\n\njoe@\n"unclosed@a.example\njane\n');
    assert.deepEqual([parsed.bad, parsed.firstBad, parsed.list.size], [2, 3, 2]);
  });

  test('100,000 addresses are parsed in slices and found', async () => {
    const text = Array.from({ length: 100_000 }, (_, i) => `user${i}@a.example`).join('\n');
    let turns = 0;
    const count = setInterval(() => turns++, 0);
    const { list } = await parse(text);
    clearInterval(count);
    assert.equal(list.size, 100_000);
    assert.equal(list.lookup(nameOf('USER99999@a.example', '')), 'listed');
    assert.equal(list.lookup(nameOf('user100000@a.example', '')), 'absent');
    assert.ok(turns > 0, 'no other work was let in');
  });
});

const asking: Asking = {
  mail: { sender: 'ann@b.example', body: '7bit', smtputf8: false },
  manner: { helo: 'b.example', esmtp: true },
  findings: new Findings(),
};
const siteOf = (path: string) => makeSite('s', ['a.example'], { recipients: listed(path) });

describe('a file of recipients', () => {
  let folder = '';
  let path = '';
  let house: House;
  let clock: House['clock'];
  let lines: Line[];

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'recipients-'));
    path = join(folder, 'list');
    house = new House([]);
    clock = house.clock;
    lines = house.lines;
  });
  afterEach(() => rm(folder, { recursive: true }));

  const look = (address: string) => house.rosters.lookup(siteOf(path), address, asking);
  const later = () => clock.advance(SECOND);
  const alarms = () => lines.filter((l) => l.level === 'error').map((l) => l.fields.why);

  test('is reread when it changed, a second later at most', async () => {
    await writeFile(path, 'joe\n');
    assert.equal(await look('joe@a.example'), 'listed');
    await writeFile(path, 'jane\n');
    assert.equal(await look('jane@a.example'), 'absent', 'looked at within the same second');
    await later();
    assert.equal(await look('jane@a.example'), 'listed');
    assert.equal(await look('joe@a.example'), 'absent');
  });

  test('is not read again while it stays', async () => {
    await writeFile(path, 'joe\n');
    for (let i = 0; i < 3; i++) {
      await look('joe@a.example');
      await later();
    }
    assert.equal(lines.filter((l) => l.event === 'recipient list read').length, 1);
  });

  test('is read once for many who ask at once', async () => {
    await writeFile(path, 'joe\n');
    const found = await Promise.all(Array.from({ length: 50 }, () => look('joe@a.example')));
    assert.deepEqual([...new Set(found)], ['listed']);
    assert.equal(lines.length, 1);
  });

  test('replaced by another of the same size and time is reread', async () => {
    await writeFile(path, 'joe\n');
    await utimes(path, 1000, 1000);
    await look('joe@a.example');
    await writeFile(join(folder, 'new'), 'ann\n');
    await utimes(join(folder, 'new'), 1000, 1000);
    await rename(join(folder, 'new'), path);
    await later();
    assert.equal(await look('ann@a.example'), 'listed');
  });

  test('that never could be read defers', async () => {
    assert.equal(await look('joe@a.example'), 'broken');
    const verdict = house.rosters.verdict(siteOf(path), 'joe@a.example', 'broken', asking);
    assert.equal(verdict.kind === 'accept' ? 0 : verdict.reply.code, 451);
    assert.equal(alarms().length, 1);
    await writeFile(path, 'joe\n');
    await later();
    assert.equal(await look('joe@a.example'), 'listed');
  });

  test('that goes keeps its last good copy, with one alarm', async () => {
    await writeFile(path, 'joe\n');
    await look('joe@a.example');
    await unlink(path);
    for (let i = 0; i < 3; i++) {
      await later();
      assert.equal(await look('joe@a.example'), 'listed');
      assert.equal(await look('jane@a.example'), 'absent');
    }
    assert.equal(alarms().length, 1);
    await writeFile(path, 'joe\n');
    await later();
    await look('joe@a.example');
    await unlink(path);
    await later();
    await look('joe@a.example');
    assert.equal(alarms().length, 2, 'a second trouble is told again');
  });

  test('that is written to while it is read is not taken before it stands still', async () => {
    let meanwhile = () => {};
    const random = () => {
      meanwhile();
      return 0.5;
    };
    const file = new RecipientFile(path, { clock, log: listLog(lines), random });
    const found = async (who: string) => (await file.current())?.lookup(nameOf(`${who}@a.example`, '+'));
    await writeFile(path, 'joe\nann\n');
    assert.equal(await found('ann'), 'listed');
    await later();
    await writeFile(path, 'joe\nann\nzoe\n');
    meanwhile = () => writeFileSync(path, 'joe\n');
    assert.equal(await found('ann'), 'listed', 'half of it');
    meanwhile = () => {};
    await writeFile(path, 'joe\nann\nzoe\n');
    await later();
    assert.equal(await found('zoe'), 'listed');
  });

  test('that is truncated keeps its last good copy', async () => {
    await writeFile(path, 'joe\n');
    await look('joe@a.example');
    await truncate(path);
    await later();
    assert.equal(await look('joe@a.example'), 'listed');
    assert.deepEqual(alarms(), ['there is no address in it']);
  });

  test('that is a folder or too large is a trouble, not a list', async () => {
    path = folder;
    assert.equal(await look('joe@a.example'), 'broken');
    path = join(folder, 'large');
    await writeFile(path, 'joe\n');
    await truncate(path, 65 * 1024 * 1024);
    assert.equal(await look('joe@a.example'), 'broken');
    assert.equal(alarms().length, 2);
  });

  test('on a file system that does not answer holds nobody for more than five seconds', async () => {
    // A FIFO without a writer blocks whoever reads it, as a dead NFS server does.
    const { execFileSync } = await import('node:child_process');
    execFileSync('mkfifo', [path]);
    const answer = Promise.resolve(look('joe@a.example'));
    let done = false;
    void answer.then(() => (done = true));
    while (clock.armed === 0) await clock.settle();
    await clock.advance(4.9 * SECOND);
    assert.equal(done, false);
    await clock.advance(0.1 * SECOND);
    assert.equal(await answer, 'broken');
    await writeFile(path, 'joe\n');
  });
});

test('what begins with the delimiter is no sub-address of nobody', () => {
  assert.equal(nameOf('+joe@a.example', '+').base, '+joe');
  assert.equal(nameOf('joe+x@a.example', '+').base, 'joe');
});
