/** What all scenarios share: the run's choices and places, the shape of a measurement, and a timed part. */
import type { Compared } from './ids.ts';
import { type Given, give, type Load, Sink } from './load.ts';
import { touchMemory } from './memory.ts';
import { type Beside, cpuOf, Peak } from './processes.ts';
import type { Seen } from './seen.ts';
import type { Senders } from './senders.ts';
import { type Server, sleep } from './server.ts';
import type { Stage } from './stage.ts';

export interface Bench {
  readonly stage: Stage;
  /** On the disk that is measured. */
  readonly folder: string;
  /** In memory. */
  readonly shm: string;
  /** Least length of a timed part. */
  readonly seconds: number;
  /** Mails before it. */
  readonly warmUp: number;
  readonly rounds: number;
  /** Of the long queue. */
  readonly entries: number;
  /** Mails a second of the last timed part, by server and row: so the next one gets its count. */
  readonly rates: Map<string, number>;
  readonly senders: Senders;
  readonly beside: Beside;
}

export interface Sample {
  /** Figures by name; the first is the row's main one. */
  readonly values: Readonly<Record<string, number>>;
  /** Length of the timed part; null if it is one event. */
  readonly seconds: number | null;
  /** Microseconds of CPU for a mail: the server's, the source's, that of the sink or whatever else serves. */
  readonly cpu?: number;
  readonly source?: number;
  readonly sink?: number;
  /** MiB at most during the timed part. */
  readonly memory: number;
  readonly ids?: Compared;
  readonly seen?: Seen;
}

/** One line of the table: a figure of the samples, and which way is better. */
export interface Line {
  readonly key: string;
  readonly unit: string;
  readonly better: 'more' | 'less';
}

export interface Row {
  readonly name: string;
  readonly title: string;
  readonly lines: readonly Line[];
  /** Whether Postfix runs with `defer_transports`, too. */
  readonly holds: boolean;
  /** Leaves the server stopped or running; the caller stops and wipes it. `check`: compares ids as well. */
  readonly run: (bench: Bench, server: Server, check: boolean) => Promise<Sample>;
}

export const sizeOf = (octets: number): string => (octets >= 1024 ? `${octets / 1024} KB` : `${octets} B`);
export const nameOf = (scenario: string, { size, sessions, reused }: Load): string =>
  `${scenario}-${size / 1024}k-${sessions}-${reused ? 'reused' : 'new'}`;
export const titleOf = (scenario: string, { size, sessions, reused }: Load): string =>
  `${scenario}, ${sizeOf(size)}, ${sessions} ${sessions === 1 ? 'session' : 'sessions'}, ${reused ? 'reused' : 'new each'}`;

/**
 * Runs `part` with a count that makes it last at least the wanted seconds: by the rate of the last time, or by
 * `guess`. Once more, with a greater count, if it was too short; a second miss is left as it is, and shows.
 */
export async function longEnough(
  bench: Bench,
  key: string,
  guess: number,
  part: (count: number) => Promise<Sample & { readonly seconds: number }>,
): Promise<Sample> {
  let rate = bench.rates.get(key) ?? guess;
  for (let last = false; ; last = true) {
    const count = Math.ceil(rate * bench.seconds * 1.25) + 100;
    const sample = await part(count);
    rate = count / sample.seconds;
    bench.rates.set(key, rate);
    if (last || sample.seconds >= bench.seconds) return sample;
  }
}

/** Measures CPU and memory of the server while `part` gives and takes `count` mails. */
export async function timed(
  server: Server,
  count: number,
  part: () => Promise<{ seconds: number; given?: Given; values?: Record<string, number> }>,
  sink?: { readonly cpu: number },
): Promise<Sample & { readonly seconds: number }> {
  const [cpu, sinkCpu, peak] = [cpuOf(server.pid()), sink?.cpu ?? 0, new Peak(server.pid())];
  try {
    const { seconds, given, values } = await part();
    const each = (all: number) => (all / count) * 1e6;
    return {
      values: { rate: count / seconds, ...values },
      seconds,
      cpu: each(cpuOf(server.pid()) - cpu),
      ...(given && { source: each(given.cpu) }),
      ...(sink && { sink: each(sink.cpu - sinkCpu) }),
      memory: peak.end(),
    };
  } finally {
    peak.end();
  }
}

/** Gives `count` mails to a port. */
export type Giving = (bench: Bench, port: number, count: number, load: Load) => Promise<Given>;

/** All mails from one sender. */
export const ofOne: Giving = (bench, port, count, load) => give(bench.stage, port, count, load);

/** Warms a server up; resolves with the rate at which it took the mail. */
export async function warm(bench: Bench, server: Server, load: Load, giving = ofOne): Promise<number> {
  const { seconds } = await giving(bench, server.port, bench.warmUp, load);
  return bench.warmUp / seconds;
}

/** `use` with a sink that ends after it. */
export async function withSink<T>(bench: Bench, use: (sink: Sink) => Promise<T>, dump?: string): Promise<T> {
  const sink = await Sink.start(bench.stage, bench.shm, dump);
  try {
    return await use(sink);
  } finally {
    await sink.stop();
  }
}

/** Until it holds nothing, or 10 s have passed: what is left then is no longer waited for. */
export async function emptied(server: Server): Promise<void> {
  for (let i = 0; i < 20 && server.queued() > 0; i++) await sleep(500);
}

/** One measurement, from an empty spool to an empty one. */
export async function measure(bench: Bench, row: Row, server: Server, check: boolean): Promise<Sample> {
  server.wipe();
  await touchMemory(bench.stage);
  const stopped = bench.stage.add(() => server.stop());
  try {
    return await row.run(bench, server, check);
  } finally {
    await stopped();
    server.wipe();
  }
}

/** Makes sure that it holds `count` mails. Counting files that move between queues may need a few looks. */
export async function holds(server: Server, count: number): Promise<void> {
  let held = 0;
  for (let i = 0; i < 20; i++) {
    held = server.queued();
    if (held === count) return;
    await sleep(500);
  }
  throw new Error(`${server.name} holds ${held} mails, and was given ${count}`);
}
