/**
 * latency: so many new mails a second by schedule (300; and fewer, for a machine where one of the two cannot keep up), a connection for each; from the dot to its reply, and the whole
 * transaction from the moment at which it was due. `up`: the next hop takes the mail meanwhile.
 */
import { join } from 'node:path';
import { type Bench, type Line, type Row, type Sample, sizeOf, timed, warm, withSink } from '../bench.ts';
import { type Server, SINK, sleep } from '../server.ts';

/** Of the client itself, seconds. */
const CLIENT_WARM_UP = 3;
const CLIENT = join(import.meta.dirname, '../client/latency.ts');

export type Latency = Readonly<Record<string, number>>;

async function client(bench: Bench, port: number, size: number, rate: number): Promise<Latency> {
  const args = [port, size, rate, CLIENT_WARM_UP, bench.seconds].map(String);
  return JSON.parse(await bench.stage.run(process.execPath, [CLIENT, ...args]));
}

/** What the client itself needs, against a sink that does nothing with the mail. */
export const floor = (bench: Bench, size: number): Promise<Latency> =>
  withSink(bench, () => client(bench, SINK.port, size, 300));

const LINES: readonly Line[] = [
  ['dot_p50', 'dot to 250, p50, ms'],
  ['dot_p99', 'dot to 250, p99, ms'],
  ['dot_max', 'dot to 250, most, ms'],
  ['whole_p50', 'whole transaction, p50, ms'],
  ['whole_p99', 'whole transaction, p99, ms'],
  ['whole_max', 'whole transaction, most, ms'],
  ['unanswered', 'unanswered 30 s after the last was due'],
].map(([key = '', unit = '']) => ({ key, unit, better: 'less' }));

export const latency = (size: number, up: boolean, rate = 300): Row => ({
  name: `latency-${size / 1024}k-${up ? 'up' : 'down'}${rate === 300 ? '' : `-${rate}`}`,
  title: `latency at ${rate}/s, ${sizeOf(size)}, next hop ${up ? 'up' : 'down'}`,
  lines: LINES,
  holds: !up,
  run: (bench, server) =>
    up ? withSink(bench, () => measured(bench, server, size, rate)) : measured(bench, server, size, rate),
});

async function measured(bench: Bench, server: Server, size: number, rate: number): Promise<Sample> {
  await server.start();
  await warm(bench, server, { size, sessions: 20, reused: false });
  await sleep(2000);
  // The client's own warm-up costs the server as much as the rest.
  const seconds = bench.seconds + CLIENT_WARM_UP;
  return timed(server, rate * seconds, async () => {
    const values = await client(bench, server.port, size, rate);
    return { seconds, values };
  });
}
