/**
 * drain: mails are held, the server is restarted, the sink comes up, a flush is asked; to the last mail at
 * the sink. The time of the flush command itself is not in it: the clock starts when the command returns, or at
 * the first mail if that comes earlier. All ids are compared in a pass of its own.
 */
import { join } from 'node:path';
import { type Bench, emptied, holds, longEnough, type Row, sizeOf, timed, withSink } from '../bench.ts';
import { compare } from '../ids.ts';
import { give, type Load, type Sink } from '../load.ts';
import { type Server, sleep } from '../server.ts';

/** A first guess: the faster a server, the more it is given. Measured rates follow it. */
const GUESS = 1000;

async function fill(bench: Bench, server: Server, load: Load, count: number): Promise<void> {
  await server.stop();
  server.wipe();
  await server.start();
  await give(bench.stage, server.port, count, load);
  // The same restart for both: Postfix counts what it tried in vain, and so do we.
  await server.stop();
  await server.start();
  await holds(server, count);
  // Postfix misses, at a flush, what it is just trying in vain.
  for (let i = 0; i < 60 && server.busy() > 0; i++) await sleep(500);
}

async function flushed(server: Server, sink: Sink, count: number) {
  const asked = performance.now();
  const [first, answered] = await Promise.all([sink.has(1), server.flush().then(() => performance.now())]);
  const begun = Math.min(first, answered);
  const last = await sink.has(count);
  return {
    seconds: (last - begun) / 1000,
    values: { flush: answered - asked, first: first - asked },
  };
}

export const drain = (size: number): Row => ({
  name: `drain-${size / 1024}k`,
  title: `drain, ${sizeOf(size)}`,
  lines: [
    { key: 'rate', unit: 'mails/s', better: 'more' },
    { key: 'flush', unit: 'the flush command itself, ms', better: 'less' },
    { key: 'first', unit: 'flush asked to first mail, ms', better: 'less' },
  ],
  holds: false,
  async run(bench: Bench, server: Server, check: boolean) {
    const load: Load = { size, sessions: 20, reused: true };
    const sample = await longEnough(bench, `${server.name} drain ${size}`, GUESS, async (count) => {
      await fill(bench, server, load, count);
      return withSink(bench, async (sink) => {
        const found = await timed(server, count, () => flushed(server, sink, count), sink);
        await emptied(server);
        if (sink.count !== count) throw new Error(`${server.name}: ${count} held, ${sink.count} at the sink`);
        return found;
      });
    });
    if (!check) return sample;
    await fill(bench, server, load, bench.warmUp);
    const dump = join(bench.shm, 'dump', 'mails');
    const ids = await withSink(
      bench,
      async (sink) => {
        await flushed(server, sink, bench.warmUp);
        await emptied(server);
        return compare(dump, bench.warmUp);
      },
      dump,
    );
    return { ...sample, ids };
  },
});
