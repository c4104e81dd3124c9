/**
 * Taylor UUCP on lines that `restante generate uucp` made, both ends, and nothing else. Lists of mails are
 * compared one by one, octet for octet.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import { UucpLine } from './uucp/line.ts';
import { atRestante, atSendmail, compressed, forRmail, listed, mails } from './uucp/mails.ts';

const COUNT = 20;

async function bothWays(line: UucpLine): Promise<void> {
  const single = mails('down-rmail', COUNT, 'leaf.example', [200, 5_000]);
  for (const mail of single) {
    line.uux('near', forRmail(mail, 'mx2'), 'leaf!rmail', ...mail.recipients.map((to) => `(${to})`));
  }
  const many = mails('down-batch', COUNT, 'leaf.example', [200, 20_000]);
  for (let i = 0; i < COUNT; i += 10) line.uux('near', compressed(many.slice(i, i + 10)), 'leaf!rcsmtp');
  const up = mails('up', 15, 'far.example', [200, 5_000]);
  for (const { sender, recipients, content } of up) {
    line.feedAsUucp(content, line.path('far/bin/to-mx2'), '-f', sender, '--', ...recipients);
  }
  const upSingle = mails('up-rmail', 6, 'far.example', [200, 5_000]);
  for (const mail of upSingle) {
    line.uux('far', forRmail(mail, 'leaf'), 'mx2!rmail', ...mail.recipients.map((to) => `(${to})`));
  }

  assert.match(line.test('far', 'call'), /the call to mx2 was good/);
  await line.settled();
  const far = line.taken('far').map(atSendmail);
  assert.deepEqual(listed(far), listed([...single, ...many]), 'all mail of the site has come, each once');
  const near = line.taken('near');
  assert.deepEqual([...new Set(near.map((job) => job.machine))], ['leaf'], 'UU_MACHINE says who brings it');
  assert.deepEqual(
    listed(near.flatMap(atRestante)),
    listed([...up, ...upSingle]),
    'all that it sends has come',
  );
}

for (const over of ['tcp', 'pipe'] as const) {
  for (const as of ['root', 'nobody'] as const) {
    test(`over ${over}, as ${as}: mail goes both ways in one call, by rmail and in compressed batches`, async () => {
      const line = await UucpLine.make({ over, as });
      try {
        assert.doesNotMatch(line.test('near'), /^NO /m);
        await bothWays(line);
      } finally {
        await line.close();
      }
    });
  }
}

describe('what the far end may not do', () => {
  test('it can fetch no file, leave none, and run nothing but rmail, rsmtp and rcsmtp', async () => {
    const line = await UucpLine.make({ over: 'tcp', as: 'nobody' });
    try {
      const tell = ['-I', line.path('far/config'), '-r'];
      line.run('uucp', ...tell, `mx2!${line.path('restante.yaml')}`, line.path('far/public/fetched'));
      line.run('uucp', ...tell, '-C', line.path('restante.yaml'), 'mx2!~/left');
      line.run('uux', ...tell, '-n', `mx2!sh -c (touch ${line.path('near.got/ran')})`);
      await once(line.call(), 'exit');
      await line.settled();
      assert.deepEqual(line.taken('near'), []);
      assert.equal(
        line.run('find', line.folder, '-name', 'fetched', '-o', '-name', 'left', '-o', '-name', 'ran'),
        '',
      );
    } finally {
      await line.close();
    }
  });
});
