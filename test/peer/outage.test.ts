/**
 * The main promise with real programs (DESIGN.md §4.1): an outage of the primary with everything that
 * goes wrong on such a day. A Postfix sends by MX, Restante holds, a Postfix gets it all in the end.
 * RFC 5321 §5 (way by MX), RFC 1047 (repeats by a lost 250).
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { maildirFiles } from './lab/audit.ts';
import type { CorpusSpec } from './lab/corpus.ts';
import { postfix } from './lab/mta.ts';
import {
  examine,
  expected,
  inject,
  type Numbers,
  seconds,
  takenByBackup,
  untilArrived,
  untilTaken,
} from './lab/relay.ts';
import { config, Restante } from './lab/restante.ts';
import { Lab, sleep } from './lab.ts';

const CONNECTIONS = 5;
/** Mails that the client gives to one connection before the first is answered. */
const PIPELINED = 4;
/** In flight at two sites; killed: these and the group whose outcomes were not durable yet; cable: these. */
const MOST_REPEATS = 3 * 2 * CONNECTIONS * PIPELINED;
const spec: CorpusSpec = {
  name: 'outage',
  count: 1001,
  size: [1_000, 200_000],
  first: 60_000_000,
  sender: 'friend@sender.example.test',
  domains: ['example.test', 'other.test'],
};
const total = expected(spec).size;

describe('an outage of the primary, with Postfix on both sides', () => {
  const [sender, primary] = [postfix('sender'), postfix('primary')];
  let lab: Lab;
  let restante: Restante;
  let numbers: Numbers;

  before(async () => {
    lab = await Lab.up('dns', 'primary', 'backup', 'sender');
    const more = [`connections: ${CONNECTIONS}`];
    const sites = { home: { domains: ['example.test'], more }, friend: { domains: ['other.test'], more } };
    restante = new Restante(lab, config(sites));
    await restante.start();
  });
  after(() => lab?.close());

  test('every mail is answered 250 while the primary is down, kill -9 in the midst of it', async (t) => {
    const begun = Date.now();
    const injected = inject(lab, spec, sender);
    await untilTaken(lab, sender, Math.floor(total / 4), 120);
    await restante.kill();
    const killed = takenByBackup(lab, sender).length;
    await sleep(500);
    await restante.start();
    numbers = await injected;
    await untilTaken(lab, sender, total, 180);
    t.diagnostic(
      `${spec.count} mails, ${total} recipients, taken in ${seconds(Date.now() - begun)}; killed after ${killed}`,
    );
  });

  test('the backup is switched off for a while and has it all afterwards', async () => {
    await lab.host('down', 'backup');
    await sleep(1000);
    await lab.host('up', 'backup');
    await restante.start();
    assert.ok((await restante.queued()) >= spec.count, 'the queue is as long as before');
  });

  test('the primary is back: the drain begins within 60 s, and outlives kill -9 and a pulled cable', async (t) => {
    await primary.start(lab);
    const back = Date.now();
    await untilArrived(lab, primary, 1, 60);
    t.diagnostic(`first mail ${seconds(Date.now() - back)} after the primary's return`);
    await untilArrived(lab, primary, Math.floor(total / 4), 120);
    await restante.kill();
    const killed = maildirFiles(lab, primary).length;
    await restante.start();
    await untilArrived(lab, primary, Math.floor(total / 2), 120);
    await lab.link('primary', 'down');
    const pulled = maildirFiles(lab, primary).length;
    await sleep(8000);
    await lab.link('primary', 'up');
    await untilArrived(lab, primary, total, 300);
    t.diagnostic(
      `killed after ${killed}, cable pulled after ${pulled}, all in after ${seconds(Date.now() - back)}`,
    );
    assert.ok(killed < total && pulled < total, 'kill and cable came while mail was under way');
  });

  test('nothing is lost, nothing is changed, repeats are those in flight', async (t) => {
    const found = examine(lab, spec, numbers, sender, primary);
    t.diagnostic(
      `${found.copies.size} of ${total} compared; repeats: ${found.ours} ours, ${found.senders} by the sender`,
    );
    assert.equal(await restante.queued(), 0, 'the queues are empty');
    assert.ok(found.ours <= MOST_REPEATS, `${found.ours} repeats of ours, more than ${MOST_REPEATS}`);
  });
});
