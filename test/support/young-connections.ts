/**
 * Prints what each of many short connections leaves in the old generation of V8's heap, in octets. A process of its own:
 * node --expose-gc, with the young generation of bin/restante. Each conversation holds 10 KB (BALLAST).
 */
import { connect } from 'node:net';
import { getHeapSpaceStatistics } from 'node:v8';
import { SystemClock } from '../../src/base/clock.ts';
import { silent } from '../../src/base/log.ts';
import type { Engine } from '../../src/protocol/engine.ts';
import { listen } from '../../src/protocol/listen/listen.ts';

const BALLAST = 1280;
const WARM_UP = 500;
/** So few that nothing sets off a full collection between. */
const COUNT = 300;
const AT_ONCE = 4;

const engine: Engine = {
  tooMany: '',
  serve(stream) {
    const ballast = new Array(BALLAST).fill(0);
    stream.on('data', () => stream.end(String(ballast.length)));
    const done = new Promise<void>((resolve) => stream.once('close', () => resolve()));
    return { done, stop: () => void stream.destroy(), destroy: () => void stream.destroy() };
  },
};

const listeners = await listen({
  at: [{ host: '127.0.0.1', port: 0 }],
  engine,
  connections: 100,
  perClient: 100,
  isPeer: () => false,
  clock: new SystemClock(),
  log: silent,
});
if (listeners.kind === 'failed') throw new Error(listeners.why);
const port = listeners.bound[0]?.port ?? 0;

function visit(): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true }, () => socket.write('x'));
    socket.on('error', reject);
    socket.resume();
    socket.once('end', () => socket.end());
    socket.once('close', () => resolve());
  });
}

async function visits(count: number): Promise<void> {
  let left = count;
  const one = async () => {
    while (left-- > 0) await visit();
  };
  await Promise.all(Array.from({ length: AT_ONCE }, one));
}

function old(): number {
  for (let i = 0; i < 2; i++) globalThis.gc?.({ type: 'minor' });
  const spaces = getHeapSpaceStatistics().filter(({ space_name }) => space_name === 'old_space');
  return spaces.reduce((sum, space) => sum + space.space_used_size, 0);
}

await visits(WARM_UP);
globalThis.gc?.();
const before = old();
await visits(COUNT);
console.log(Math.round((old() - before) / COUNT));
await listeners.stop(0);
