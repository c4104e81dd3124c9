/**
 * A primary that greylists, for real: Postfix with Debian's postgrey. Each of a thousand mails is
 * refused once with 450 and taken when it comes again after the delay; none waits longer than the delay
 * and ten minutes (DESIGN.md §5: the mail's own clock; RFC 6647).
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { CorpusSpec } from './lab/corpus.ts';
import { postfix } from './lab/mta.ts';
import { examine, expected, inject, seconds, untilArrived, untilTaken } from './lab/relay.ts';
import { config, Restante } from './lab/restante.ts';
import { Lab } from './lab.ts';

const DELAY = 60;
const spec: CorpusSpec = {
  name: 'greylist',
  count: 1000,
  size: [1_000, 8_000],
  sender: 'friend@sender.example.test',
  domains: ['example.test'],
};
const total = expected(spec).size;

describe('a primary with postgrey returns', () => {
  const [sender, primary] = [postfix('sender'), postfix('primary')];
  let lab: Lab;
  let restante: Restante;

  before(async () => {
    lab = await Lab.up('dns', 'primary', 'backup', 'sender');
    restante = new Restante(lab, config({ home: { domains: ['example.test'] } }));
    await restante.start();
    // Without its list of clients that passed often: each mail has to pass by itself.
    const postgrey = ['postgrey', '--daemonize', '--inet=127.0.0.1:10023', `--delay=${DELAY}`];
    await lab.must('primary', [...postgrey, '--auto-whitelist-clients=0']);
    const policy = 'smtpd_recipient_restrictions=check_policy_service inet:127.0.0.1:10023, permit';
    await lab.must('primary', ['postconf', '-e', policy]);
  });
  after(() => lab?.close());

  test('a thousand mails are all in within its delay and ten minutes', async (t) => {
    const numbers = await inject(lab, spec, sender);
    await untilTaken(lab, sender, total, 120);
    await primary.start(lab);
    const back = Date.now();
    await untilArrived(lab, primary, total, DELAY + 600);
    const took = Date.now() - back;
    const greylisted = new Set(
      [...lab.read('primary.log').matchAll(/Greylisted.* to=<([^>]*)>/g)].map((m) => m[1]),
    );
    assert.equal(greylisted.size, total, 'each recipient was greylisted at first');
    const found = examine(lab, spec, numbers, sender, primary);
    assert.equal(found.ours, 0, 'no repeats');
    t.diagnostic(
      `${total} recipients greylisted for ${DELAY} s: all in ${seconds(took)} after the primary's return`,
    );
  });
});
