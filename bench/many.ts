/**
 * Mail of many senders: each smtp-source is one domain, and gives some mails of its own; some of them run beside each
 * other, and a new one begins when one has ended. Few and long enough that their starts cost next to nothing.
 */
import type { Bench, Giving } from './bench.ts';
import { cpuOfEnded } from './processes.ts';

/** Mails of one sender. */
const EACH = 5000;
/** Senders at once; they share the sessions. */
const AT_ONCE = 2;

/** `content`: what smtp-source is told of the mail of this domain. */
const ofDomains =
  (content: (bench: Bench, domain: string, size: number) => Promise<string[]>): Giving =>
  async (bench, port, count, { size, sessions, reused }) => {
    const turns: string[][] = [];
    for (let left = count; left > 0; left -= EACH) {
      const domain = bench.senders.next();
      const mail = ['-m', String(Math.min(EACH, left)), ...(await content(bench, domain, size))];
      turns.push([...mail, '-f', `a@${domain}`, '-t', 'u@example.test', `127.0.0.1:${port}`]);
    }
    const how = ['-s', String(sessions / AT_ONCE), '-C', '10', ...(reused ? ['-d'] : [])];
    const [begun, cpu] = [performance.now(), cpuOfEnded()];
    const sender = async () => {
      for (let turn = turns.pop(); turn; turn = turns.pop()) {
        await bench.stage.run('smtp-source', [...how, ...turn]);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, sender));
    return { seconds: (performance.now() - begun) / 1000, cpu: cpuOfEnded() - cpu };
  };

export const ofMany = ofDomains(async (_bench, _domain, size) => ['-l', String(size)]);

export const ofManySigned = ofDomains(async ({ senders }, domain, size) => [
  '-F',
  await senders.signed(domain, size),
]);
