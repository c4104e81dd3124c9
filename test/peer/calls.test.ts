/** Sites that call, by real programs: fetchmail over ODMR and over ETRN. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { afterEach, describe, test } from 'node:test';
import { until } from '../support/daemon.ts';
import { CallWorld, examined, type Run } from './calls/world.ts';
import { type Letter, letter, post } from './mailbox/letters.ts';

const letters = (from: number, count: number): Letter[] =>
  Array.from({ length: count }, (_, i) => letter(from + i));
const numbers = (count: number): number[] => Array.from({ length: count }, (_, i) => i);
const ordered = (list: readonly number[]): number[] => [...list].sort((a, b) => a - b);

let world: CallWorld;
const runs: Run[] = [];
afterEach(async () => {
  for (const run of runs.splice(0)) run.child.kill('SIGKILL');
  await world.close();
});

const ways = {
  ODMR: {
    site: () => 'collect: odmr',
    call: () => world.byOdmr(),
  },
  ETRN: {
    site: (sink: number) => `collect: etrn, primary: "127.0.0.1:${sink}"`,
    call: () => world.byEtrn(),
  },
} as const;

/** Resolves when the call is over. */
async function called(call: () => Run): Promise<void> {
  const run = call();
  runs.push(run);
  await run.end(50_000);
  await until('the end of the call', async () => ((await world.state()) === 'calling' ? null : true));
}

for (const [name, { site, call }] of Object.entries(ways)) {
  describe(`fetchmail over ${name}`, () => {
    test('brings 500 mails home, each once, to its recipients, from its sender', async (t) => {
      world = await CallWorld.start(site);
      await post(world.daemon.port, letters(0, 500));
      assert.equal(await world.queued(), 500);
      assert.equal(await world.state(), 'waiting');
      assert.equal(world.sink.mails.length, 0);
      const begun = performance.now();
      await called(call);
      t.diagnostic(`500 mails in ${((performance.now() - begun) / 1000).toFixed(1)} s`);
      assert.deepEqual(
        ordered(world.sink.mails.map(examined)),
        numbers(500),
        runs.at(-1)?.output.slice(-2000),
      );
      assert.equal(await world.queued(), 0);
      assert.deepEqual(world.sink.violations, []);
      // Nothing is left.
      await called(call);
      assert.equal(world.sink.mails.length, 500);
    });

    test('loses nothing when it, or Restante, is killed at any moment (20 rounds)', async (t) => {
      const [ROUNDS, EACH] = [20, 25];
      world = await CallWorld.start(site);
      for (let round = 0; round < ROUNDS; round++) {
        await post(world.daemon.port, letters(round * EACH, EACH));
        const run = call();
        runs.push(run);
        await new Promise((wake) => setTimeout(wake, 20 + Math.random() * 600));
        if (round % 2 === 0) run.child.kill('SIGKILL');
        else {
          await world.daemon.end('SIGKILL');
          await world.daemon.start();
        }
        await run.end(3000);
      }
      // The last call may have met one that was still under way.
      for (let i = 0; i < 3 && (await world.queued()) > 0; i++) await called(call);
      const got = world.sink.mails.map(examined);
      assert.deepEqual(ordered([...new Set(got)]), numbers(ROUNDS * EACH));
      assert.equal(await world.queued(), 0);
      t.diagnostic(`${got.length - ROUNDS * EACH} of ${ROUNDS * EACH} mails came twice`);
    });
  });
}

test('fetchmail over ODMR with STARTTLS, by the plugin in the examples: the roles turn inside it', async () => {
  world = await CallWorld.start(ways.ODMR.site);
  await post(world.daemon.port, letters(0, 50));
  const spool = join(world.daemon.folder, 'spool');
  await called(() => world.byOdmrInTls(join(spool, 'self-signed.pem')));
  assert.deepEqual(ordered(world.sink.mails.map(examined)), numbers(50), runs.at(-1)?.output.slice(-2000));
  assert.equal(await world.queued(), 0);
  assert.match(world.daemon.log, /"mechanism":"CRAM-MD5","tls":true/);
  // Nobody else is given the password.
  await called(() => world.byOdmrInTls('/etc/hostname'));
  assert.doesNotMatch(runs.at(-1)?.output ?? '', /AUTH CRAM-MD5/);
});
