/**
 * Dead sites beside living ones: what a mail of the living costs, with and without the dead. The two kinds
 * take turns. A dead site refuses connections and has mail waiting.
 */
import { join } from 'node:path';
import { type Bench, longEnough, type Sample, timed, withSink } from '../bench.ts';
import { cpuOf } from '../processes.ts';
import { number, spread, spreadText } from '../report.ts';
import { type BenchSite, restante } from '../restante.ts';
import { DEAD_PORT, SINK, sleep } from '../server.ts';
import { giveOwn } from './give.ts';
import type { OwnRow } from './rows.ts';

const WORK = { size: 4096, sessions: 20, tls: false, reused: true };

function sitesOf(living: number, dead: number): { all: BenchSite[]; up: string[]; down: string[] } {
  const site = (kind: string, port: number) => (_: unknown, i: number) => ({
    name: `${kind}${i}`,
    domain: `${kind}${i}.test`,
    primary: `127.0.0.1:${port}`,
  });
  const up = Array.from({ length: living }, site('up', SINK.port));
  const down = Array.from({ length: dead }, site('down', DEAD_PORT));
  return { all: [...up, ...down], up: up.map((s) => s.domain), down: down.map((s) => s.domain) };
}

async function measured(bench: Bench, living: number, dead: number, waiting: number): Promise<Sample> {
  const { all, up, down } = sitesOf(living, dead);
  const server = restante(join(bench.folder, 'own'), undefined, all);
  server.wipe();
  const stopped = bench.stage.add(() => server.stop());
  const key = `dead ${living} ${dead} ${waiting}`;
  try {
    return await withSink(bench, async (sink) => {
      await server.start();
      const give = (count: number, domains: string[]) =>
        giveOwn(bench, { ...WORK, port: server.port, count, domains });
      if (waiting > 0) await give(waiting, down);
      await give(bench.warmUp, up);
      const enough = bench.warmUp + (bench.warmUp % 2);
      await sink.has(enough);
      // What the dead cost while nothing moves.
      const [before, idle] = [cpuOf(server.pid()), bench.seconds];
      await sleep(idle * 1000);
      const rest = ((cpuOf(server.pid()) - before) / idle) * 1000;
      let sent = enough;
      return longEnough(bench, key, 1000, (asked) => {
        const count = asked + (asked % 2);
        sent += count;
        return timed(
          server,
          count,
          async () => {
            const begun = performance.now();
            const given = await give(count, up);
            return { seconds: ((await sink.has(sent)) - begun) / 1000, given, values: { rest } };
          },
          sink,
        );
      });
    });
  } finally {
    await stopped();
  }
}

const row = (name: string, living: number, dead: number, waiting: number): OwnRow => ({
  name,
  long: false,
  async run(bench) {
    const kinds = [0, waiting].map((held) => ({ held, samples: [] as Sample[] }));
    for (let round = 0; round < bench.rounds; round++) {
      for (const { held, samples } of kinds) samples.push(await measured(bench, living, dead, held));
    }
    return kinds.map(({ held, samples }) => ({
      what: `${living} living sites, ${held ? `${dead} dead with ${held} mails` : 'none dead'}`,
      text:
        `CPU ${spreadText(samples.map((s) => s.cpu ?? Number.NaN))} µs a mail of the living, ` +
        `${spreadText(samples.map((s) => s.values.rate ?? Number.NaN))} mails/s, ` +
        `at rest ${number(spread(samples.map((s) => s.values.rest ?? Number.NaN)).median)} ms of CPU a second`,
    }));
  },
});

export const oneDead = row('one-dead', 1000, 1, 5000);
export const manyDead = row('many-dead', 10, 990, 9900);
