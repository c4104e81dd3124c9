/** hold: nothing listens at the next hop; the mails accepted in a second. */
import { type Bench, holds, longEnough, nameOf, type Row, timed, titleOf, warm } from '../bench.ts';
import { give, type Load } from '../load.ts';
import type { Server } from '../server.ts';

export const hold = (load: Load): Row => ({
  name: nameOf('hold', load),
  title: titleOf('hold', load),
  lines: [{ key: 'rate', unit: 'mails/s', better: 'more' }],
  holds: true,
  async run(bench: Bench, server: Server) {
    await server.start();
    const rate = await warm(bench, server, load);
    const key = `${server.name} ${nameOf('hold', load)}`;
    let given = bench.warmUp;
    const sample = await longEnough(bench, key, rate, (count) => {
      given += count;
      return timed(server, count, async () => {
        const all = await give(bench.stage, server.port, count, load);
        return { seconds: all.seconds, given: all };
      });
    });
    await holds(server, given);
    return sample;
  },
});
