/** restart: from the command that starts the server over a full queue to its greeting. */
import type { Bench, Row } from '../bench.ts';
import { give } from '../load.ts';
import { memoryOf } from '../processes.ts';
import type { Server } from '../server.ts';

export const restart = (count: number): Row => ({
  name: `restart-${count / 1000}k`,
  title: `restart over ${count.toLocaleString('en')} mails of 4 KB`,
  lines: [{ key: 'ms', unit: 'ms', better: 'less' }],
  holds: false,
  async run(bench: Bench, server: Server) {
    await server.start();
    await give(bench.stage, server.port, count, { size: 4096, sessions: 20, reused: true });
    await server.stop();
    const begun = performance.now();
    await server.start();
    const ms = performance.now() - begun;
    return { values: { ms }, seconds: null, memory: memoryOf(server.pid()) };
  },
});
