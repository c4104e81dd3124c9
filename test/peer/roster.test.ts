/**
 * The roster before a real primary, a Postfix with 500 users: what was learned while it was up decides while it is down, also
 * after a restart, and a primary that comes back with no users at all poisons nothing.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { maildirFiles } from './lab/audit.ts';
import { postfix } from './lab/mta.ts';
import { jsonLines } from './lab/relay.ts';
import { config, Restante } from './lab/restante.ts';
import type { HeardOfIt } from './lab/say.ts';
import { INSIDE, Lab, ROOT, until } from './lab.ts';

const USERS = 500;
const FRIEND = 'friend@sender.example.test';
const user = (n: number): string => `u${n}@example.test`;
const users = (from: number, to: number): string[] =>
  Array.from({ length: to - from }, (_, i) => user(from + i));

describe('a roster that its primary taught', () => {
  let lab: Lab;
  let restante: Restante;
  const primary = postfix('primary');
  const text = (more: string): string =>
    config({ acme: { domains: ['example.test'], more: [`recipients: ${more}`] } });

  before(async () => {
    lab = await Lab.up('dns', 'primary', 'backup', 'sender');
    const rules =
      'check_recipient_access texthash:/etc/postfix/users, check_recipient_access static:{550 5.1.1 No such user}';
    await lab.must('primary', ['postconf', '-e', `smtpd_recipient_restrictions=${rules}`]);
    await has(USERS);
    await primary.start(lab);
    restante = new Restante(lab, text('{ verify: true, unknown: accept }'));
    await restante.start();
  });
  after(() => lab?.close());

  /** The primary's users are the first `count`. */
  async function has(count: number): Promise<void> {
    lab.write(
      'users',
      users(0, count)
        .map((address) => `${address} OK\n`)
        .join(''),
    );
    await lab.must('primary', ['cp', `${INSIDE}/users`, '/etc/postfix/users']);
  }

  async function say(recipients: readonly string[], name: string): Promise<HeardOfIt> {
    const script = [
      process.execPath,
      '--disable-warning=ExperimentalWarning',
      `${ROOT}/test/peer/lab/say.ts`,
    ];
    const content = `From: ${FRIEND}\nMessage-ID: <${name}@sender.example.test>\nSubject: ${name}\n\nbody`;
    const mails = JSON.stringify([{ sender: FRIEND, recipients, content }]);
    const [heard] = jsonLines<HeardOfIt>(await lab.must('sender', [...script, '192.0.2.20', mails], 120));
    assert.ok(heard);
    return heard;
  }
  const rcpt = async (address: string, name: string): Promise<string> =>
    (await say([address], name)).rcpt[0] ?? '';
  const known = async (): Promise<number> =>
    (await restante.ask<{ learned: { good: number } }>('roster', 'show', 'acme')).learned.good;

  test('fills while it is up', { timeout: 200_000 }, async () => {
    const half = USERS / 2;
    for (const [from, name] of [
      [0, 'first'],
      [half, 'second'],
    ] as const) {
      const heard = await say(users(from, from + half), name);
      assert.ok(heard.rcpt.every((reply) => reply.startsWith('250')));
      assert.match(heard.end, /^250 /);
    }
    await until('all users are known', 90, async () => (await known()) === USERS);
    // One a second is asked for; those that were too many to wait were not noted.
    await until(
      'nobody waits to be asked for',
      60,
      async () => {
        const { verification } = await restante.ask<{ verification: { waiting: number } }>(
          'roster',
          'show',
          'acme',
        );
        return verification.waiting === 0;
      },
      2000,
    );
    assert.match(await rcpt('nobody@example.test', 'nobody'), /^550 5\.1\.1 /);
    assert.equal(maildirFiles(lab, primary).length, USERS);
  });

  test('decides while the primary is down, also after a kill', async () => {
    await primary.stop(lab);
    // What was learned is written once a second, and before it is shown: a kill may cost the last second.
    assert.equal(await known(), USERS);
    await restante.kill();
    lab.write('restante.yaml', text('verify'));
    await restante.start();
    assert.equal(await known(), USERS);
    const heard = await say([user(0), user(USERS - 1), 'nobody@example.test', 'new@example.test'], 'down');
    assert.deepEqual(
      heard.rcpt.map((reply) => reply.slice(0, 9)),
      ['250 2.1.5', '250 2.1.5', '550 5.1.1', '451 4.7.1'],
    );
    assert.match(heard.end, /^250 /);
  });

  test('a primary that comes back with no users poisons nothing', { timeout: 200_000 }, async () => {
    await has(0);
    await primary.start(lab);
    await until('its refusal', 90, () => /550 5\.1\.1 .*No such user/.test(restante.log.slice(-200_000)));
    assert.equal(await known(), USERS);
    assert.match(await rcpt(user(7), 'empty'), /^250 /);
    assert.doesNotMatch(restante.log, /"event":"sender told"|undeliverable/);
    await has(USERS);
    await primary.stop(lab);
    await primary.start(lab);
    await lab.must('backup', [
      `${ROOT}/bin/restante`,
      'site',
      'flush',
      'acme',
      '-c',
      `${INSIDE}/restante.yaml`,
    ]);
    await until('the queue is empty', 120, async () => (await restante.queued()) === 0);
    assert.equal(maildirFiles(lab, primary).length, USERS + 3);
  });
});
