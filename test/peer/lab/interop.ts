/** One outage with another MTA as sender, and one with it as primary; Postfix on the other side. */
import assert from 'node:assert/strict';
import { after, before, describe, type TestContext, test } from 'node:test';
import { Lab } from '../lab.ts';
import type { CorpusSpec } from './corpus.ts';
import { type Mta, postfix } from './mta.ts';
import { holdAndRelay, seconds } from './relay.ts';
import { config, Restante } from './restante.ts';

const COUNT = 100;

export function interop(other: Mta): void {
  describe(`an outage with ${other.program}`, () => {
    let lab: Lab;
    let restante: Restante;

    before(async () => {
      lab = await Lab.up('dns', 'primary', 'backup', 'sender', other.host);
      restante = new Restante(
        lab,
        config({ home: { domains: ['example.test'] }, other: { domains: [other.name] } }),
      );
      await restante.start();
    });
    after(() => lab?.close());

    const outage = async (t: TestContext, sender: Mta, primary: Mta, domain: string): Promise<void> => {
      const spec: CorpusSpec = {
        name: `${sender.host}-${primary.host}`,
        count: COUNT,
        size: [1_000, 100_000],
        sender: `friend@${sender.name}`,
        domains: [domain],
      };
      const { first, all, found } = await holdAndRelay(lab, spec, sender, primary);
      t.diagnostic(`${found.copies.size} compared; first after ${seconds(first)}, all after ${seconds(all)}`);
      assert.equal(found.ours, 0, 'no repeats: nothing broke');
      assert.equal(await restante.queued(), 0, 'the queues are empty');
    };

    test(`${other.program} gives, Postfix gets: all there, byte for byte`, async (t) => {
      await other.start(lab);
      await outage(t, other, postfix('primary'), 'example.test');
      await other.stop(lab);
    });

    test(`Postfix gives, ${other.program} gets: all there, byte for byte`, (t) =>
      outage(t, postfix('sender'), other, other.name));
  });
}
