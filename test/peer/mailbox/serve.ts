/**
 * The server with its real rooms and one login that is known beforehand (`test/support/pop3-engine.ts`):
 * the mailbox is what is looked at, not the secrets. Run as a process of its own, so that it can be killed.
 *   node serve.ts -c FILE
 */
import { mkdirSync } from 'node:fs';
import { openLog } from '../../../src/app/log.ts';
import { wire } from '../../../src/app/wiring.ts';
import { SystemClock } from '../../../src/base/clock.ts';
import { loadConfig } from '../../../src/config/load.ts';
import { listen } from '../../../src/protocol/listen/listen.ts';
import { TestAuthenticator } from '../../support/pop3-engine.ts';

const loaded = loadConfig(process.argv[3] ?? '');
if (loaded.kind === 'bad') throw new Error(JSON.stringify(loaded.problems));
const { config } = loaded;
const clock = new SystemClock();
const { log } = await openLog('info', clock);
mkdirSync(config.spool, { recursive: true });
const server = await wire(config, clock, log, new TestAuthenticator());
if ('kind' in server) throw new Error(server.why);
for (const protocol of ['smtp', 'pop3', 'pop3s'] as const) {
  const listeners = await listen({
    at: config.listen[protocol],
    engine: server.engines[protocol],
    connections: 100,
    perClient: 100,
    isPeer: () => false,
    clock,
    log,
  });
  if (listeners.kind === 'failed') throw new Error(listeners.why);
}
server.keepers.start();
log.info('ready');
