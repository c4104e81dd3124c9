/**
 * hold: nothing listens at the next hop; the mails accepted in a second. gate: the same with mail from many domains, so
 * that the gate has something to ask about. What it found is counted in our log.
 */
import { type Bench, holds, longEnough, nameOf, ofOne, type Row, timed, titleOf, warm } from '../bench.ts';
import type { Load } from '../load.ts';
import { ofMany } from '../many.ts';
import { seenIn, sizeOfLog } from '../seen.ts';
import { type Server, sleep } from '../server.ts';

/** How long our log is gathered at most, and some. */
const LOGGED_MS = 500;

export const hold = (load: Load, scenario = 'hold', giving = ofOne): Row => ({
  name: nameOf(scenario, load),
  title: titleOf(scenario, load),
  lines: [{ key: 'rate', unit: 'mails/s', better: 'more' }],
  holds: true,
  async run(bench: Bench, server: Server) {
    await server.start();
    const rate = await warm(bench, server, load, giving);
    const key = `${server.name} ${nameOf(scenario, load)}`;
    let given = bench.warmUp;
    const sample = await longEnough(bench, key, rate, async (count) => {
      given += count;
      await sleep(LOGGED_MS);
      const from = server.log === undefined ? 0 : sizeOfLog(server.log);
      const part = async () => {
        const all = await giving(bench, server.port, count, load);
        return { seconds: all.seconds, given: all };
      };
      const found = await timed(server, count, part, bench.beside);
      await sleep(LOGGED_MS);
      return server.log === undefined ? found : { ...found, seen: seenIn(server.log, from) };
    });
    await holds(server, given);
    return sample;
  },
});

export const gate = (load: Load): Row => hold(load, 'gate', ofMany);
