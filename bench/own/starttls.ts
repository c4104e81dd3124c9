/** STARTTLS on every new connection, beside the same in cleartext: 4 KB, 20 sessions, a whole handshake a mail. */
import { join } from 'node:path';
import { type Bench, longEnough, type Sample, timed } from '../bench.ts';
import { number, spread, spreadText } from '../report.ts';
import { restante } from '../restante.ts';
import { giveOwn } from './give.ts';
import type { OwnRow } from './rows.ts';

const WORK = { size: 4096, sessions: 20, domains: ['example.test'], reused: false };

async function measured(bench: Bench, tls: boolean): Promise<Sample> {
  const server = restante(join(bench.folder, 'own'));
  server.wipe();
  const stopped = bench.stage.add(() => server.stop());
  try {
    await server.start();
    const give = (count: number) => giveOwn(bench, { ...WORK, tls, port: server.port, count });
    const { seconds } = await give(bench.warmUp);
    return await longEnough(bench, `starttls ${tls}`, bench.warmUp / seconds, (count) =>
      timed(server, count, async () => {
        const given = await give(count);
        return { seconds: given.seconds, given };
      }),
    );
  } finally {
    await stopped();
  }
}

export const starttls: OwnRow = {
  name: 'starttls',
  long: false,
  async run(bench) {
    const lines = [];
    for (const tls of [false, true]) {
      const samples: Sample[] = [];
      for (let round = 0; round < bench.rounds; round++) samples.push(await measured(bench, tls));
      const of = (key: 'cpu' | 'source') => number(spread(samples.map((s) => s[key] ?? Number.NaN)).median);
      const rate = spreadText(samples.map((s) => s.values.rate ?? Number.NaN));
      lines.push({
        what: tls ? 'STARTTLS on each new connection' : 'the same in cleartext',
        text: `${rate} mails/s, CPU ${of('cpu')} µs a mail (the client ${of('source')})`,
      });
    }
    return lines;
  },
};
