/** A mail of 100 MB, in and out: how much memory grows above what mails of 4 KB had left. */
import { join } from 'node:path';
import { withSink } from '../bench.ts';
import { give } from '../load.ts';
import { memoryOf, Peak } from '../processes.ts';
import { number } from '../report.ts';
import { restante } from '../restante.ts';
import { sleep } from '../server.ts';
import type { OwnRow } from './rows.ts';

const BIG = { size: 100 * 2 ** 20, sessions: 1, reused: true };

export const big: OwnRow = {
  name: 'big',
  long: false,
  async run(bench) {
    const server = restante(join(bench.folder, 'own'));
    server.wipe();
    const stopped = bench.stage.add(() => server.stop());
    try {
      await server.start();
      await withSink(bench, async (sink) => {
        await give(bench.stage, server.port, bench.warmUp, { size: 4096, sessions: 20, reused: true });
        await sink.has(bench.warmUp);
      });
      await sleep(2000);
      const rest = memoryOf(server.pid());
      const coming = new Peak(server.pid(), 50);
      const { seconds } = await give(bench.stage, server.port, 1, BIG);
      const inwards = coming.end() - rest;
      const going = new Peak(server.pid(), 50);
      const begun = performance.now();
      await withSink(bench, async (sink) => {
        await server.flush();
        await sink.has(1);
      });
      const outwards = going.end() - rest;
      return [
        { what: 'PSS before', text: `${number(rest)} MiB` },
        { what: '100 MB in', text: `${number(inwards)} MiB more at most, ${number(seconds)} s` },
        {
          what: '100 MB out',
          text: `${number(outwards)} MiB more at most, ${number((performance.now() - begun) / 1000)} s with the flush`,
        },
      ];
    } finally {
      await stopped();
    }
  },
};
