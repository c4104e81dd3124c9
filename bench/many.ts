/**
 * Mail of many senders: each smtp-source is one of them, and gives some mails of its own, signed; so many run beside each
 * other as there are sessions. With `reused` that is one connection for each of them.
 */
import type { Giving } from './bench.ts';
import { cpuOfEnded } from './processes.ts';

/** Mails of one sender, one after the other. */
const EACH = 50;

export const ofMany: Giving = async ({ stage, senders }, port, count, { size, sessions, reused }) => {
  const turns: { from: string; file: string; mails: number }[] = [];
  for (let left = count; left > 0; left -= EACH) {
    const from = senders.next();
    turns.push({ from, file: await senders.signed(from, size), mails: Math.min(EACH, left) });
  }
  const [begun, cpu] = [performance.now(), cpuOfEnded()];
  const session = async () => {
    for (let turn = turns.pop(); turn; turn = turns.pop()) {
      const { from, file, mails } = turn;
      const how = ['-s', '1', '-m', String(mails), '-F', file, '-C', '10', ...(reused ? ['-d'] : [])];
      await stage.run('smtp-source', [
        ...how,
        '-f',
        `a@${from}`,
        '-t',
        'u@example.test',
        `127.0.0.1:${port}`,
      ]);
    }
  };
  await Promise.all(Array.from({ length: sessions }, session));
  return { seconds: (performance.now() - begun) / 1000, cpu: cpuOfEnded() - cpu };
};
