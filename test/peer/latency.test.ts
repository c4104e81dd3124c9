/**
 * One site's trouble costs other sites nothing (DESIGN.md §4.3): beside a dead site with 10,000 entries
 * a living one gets its mail at once. Timed from the 250 that the sender saw to the end of data that the
 * primary saw.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { CorpusSpec } from './lab/corpus.ts';
import type { Injected } from './lab/inject.ts';
import { injectCommand, jsonLines } from './lab/relay.ts';
import { config, Restante } from './lab/restante.ts';
import type { Arrival } from './lab/sink.ts';
import { Lab, ROOT, until } from './lab.ts';

const DEAD = 10_000;
const spec: CorpusSpec = {
  name: 'latency',
  count: 500,
  size: [1_000, 8_000],
  sender: 'friend@sender.example.test',
  domains: ['live.test'],
};

describe('a dead site with 10,000 entries beside a living one', () => {
  let lab: Lab;
  let restante: Restante;
  let arrived = '';

  before(async () => {
    lab = await Lab.up('dns', 'primary', 'backup', 'sender');
    restante = new Restante(
      lab,
      // Ten thousand mails in some seconds are more than a stranger may send.
      `${config({ dead: { domains: ['dead.test'] }, live: { domains: ['live.test'] } })}limits: { allow: [192.0.2.0/24] }\n`,
    );
    await restante.start();
    const sink = [process.execPath, '--disable-warning=ExperimentalWarning', `${ROOT}/test/peer/lab/sink.ts`];
    lab.spawn('primary', [...sink, '192.0.2.10', '25']).stdout?.on('data', (text) => (arrived += text));
  });
  after(() => lab?.close());

  test("half of the living one's mails are handed over within 100 ms", async (t) => {
    const source = [
      'smtp-source',
      '-s',
      '20',
      '-m',
      String(DEAD),
      '-l',
      '2048',
      '-f',
      'friend@sender.example.test',
    ];
    await lab.must('sender', [...source, '-t', 'user@dead.test', '192.0.2.20:25'], 180);
    const sent = jsonLines<Injected>(await lab.must('sender', injectCommand(spec, 2, '192.0.2.20', 20), 180));
    assert.ok(sent.every((line) => line.code === 250));
    const arrivals = (): string[] => arrived.split('\n').slice(0, -1);
    await until('all mails of the living site', 60, () => arrivals().length >= spec.count);

    const at = new Map(jsonLines<Arrival>(arrivals().join('\n')).map((a) => [a.messageId, a.at]));
    const waits = sent
      .map((line) => (at.get(`<${spec.name}.${line.number}@lab.test>`) ?? Number.POSITIVE_INFINITY) - line.at)
      .sort((a, b) => a - b);
    const part = (p: number): number =>
      waits[Math.min(waits.length - 1, Math.floor(waits.length * p))] ?? NaN;
    t.diagnostic(
      `from 250 to the primary's end of data: median ${part(0.5)}, p99 ${part(0.99)}, most ${part(1)} ms`,
    );
    assert.ok(part(0.5) < 100, `median ${part(0.5)} ms`);

    const sites = await restante.ask<{ site: string; queued: number }[]>('site', 'list');
    assert.equal(sites.find((s) => s.site === 'dead')?.queued, DEAD, 'the dead site has its whole queue');
  });
});
