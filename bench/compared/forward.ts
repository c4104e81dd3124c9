/**
 * forward: the next hop is up; from the first mail given to the last one at the sink. Afterwards the same
 * server forwards `warmUp` mails to a sink that keeps them, and their ids are compared.
 */
import { join } from 'node:path';
import {
  type Bench,
  emptied,
  longEnough,
  nameOf,
  type Row,
  timed,
  titleOf,
  warm,
  withSink,
} from '../bench.ts';
import { type Compared, compare } from '../ids.ts';
import { give, type Load } from '../load.ts';
import type { Server } from '../server.ts';

/** Gives the server `count` mails and compares their ids with those at the sink. */
async function checked(bench: Bench, server: Server, load: Load, count: number): Promise<Compared> {
  const dump = join(bench.shm, 'dump', 'mails');
  return withSink(
    bench,
    async (sink) => {
      await give(bench.stage, server.port, count, load);
      await server.flush();
      await sink.has(count);
      await emptied(server);
      return compare(dump, count);
    },
    dump,
  );
}

export const forward = (load: Load): Row => ({
  name: nameOf('forward', load),
  title: titleOf('forward', load),
  lines: [{ key: 'rate', unit: 'mails/s', better: 'more' }],
  holds: false,
  async run(bench: Bench, server: Server, check: boolean) {
    const sample = await withSink(bench, async (sink) => {
      await server.start();
      const begun = performance.now();
      await warm(bench, server, load);
      const rate = (bench.warmUp / ((await sink.has(bench.warmUp)) - begun)) * 1000;
      let sent = bench.warmUp;
      const key = `${server.name} ${nameOf('forward', load)}`;
      const found = await longEnough(bench, key, rate, (count) => {
        sent += count;
        return timed(
          server,
          count,
          async () => {
            const first = performance.now();
            const given = await give(bench.stage, server.port, count, load);
            return { seconds: ((await sink.has(sent)) - first) / 1000, given };
          },
          sink,
        );
      });
      await emptied(server);
      if (sink.count !== sent) throw new Error(`${server.name}: ${sent} sent, ${sink.count} at the sink`);
      return found;
    });
    return check ? { ...sample, ids: await checked(bench, server, load, bench.warmUp) } : sample;
  },
});
