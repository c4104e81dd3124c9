/** Our own giver, in two processes, so that it is no narrower than the machine. */
import { join } from 'node:path';
import type { Bench } from '../bench.ts';
import type { Work } from '../client/giver.ts';
import type { Given } from '../load.ts';
import { cpuOfEnded } from '../processes.ts';

const GIVER = join(import.meta.dirname, '../client/giver.ts');
const PROCESSES = 2;

export async function giveOwn(bench: Bench, work: Work): Promise<Given> {
  const [begun, cpu] = [performance.now(), cpuOfEnded()];
  const sessions = Math.ceil(work.sessions / PROCESSES);
  const one = (_: unknown, i: number) => {
    const part: Work = { ...work, count: Math.floor((work.count + i) / PROCESSES), sessions };
    return bench.stage.run(process.execPath, [GIVER, JSON.stringify(part)]);
  };
  await Promise.all(Array.from({ length: PROCESSES }, one));
  return { seconds: (performance.now() - begun) / 1000, cpu: cpuOfEnded() - cpu };
}
