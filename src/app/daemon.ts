/**
 * `restante serve`: one process from start to end. Starts the rooms, then the control socket, then
 * the listeners, and says "ready" when all accept. SIGHUP reloads (a bad file changes nothing);
 * SIGTERM and SIGINT end in order within ten seconds, a second one at once.
 */
import { mkdirSync } from 'node:fs';
import { SECOND, SystemClock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import { networkSet } from '../base/networks.ts';
import { type Config, showProblem } from '../config/config.ts';
import { loadConfig } from '../config/load.ts';
import { type Control, startControl, startCouriers } from '../operate/api/server.ts';
import { Journal, REFUSALS } from '../operate/journal.ts';
import type { ListenerView, Reloaded, Running } from '../operate/port.ts';
import { type Listeners, listen } from '../protocol/listen/listen.ts';
import { type Logging, openLog } from './log.ts';
import { type Server, wire } from './wiring.ts';

type Protocol = keyof Config['listen'];
/** In the order in which they open. */
const PROTOCOLS: readonly Protocol[] = ['smtp', 'odmr', 'pop3', 'pop3s', 'call'];

/** What connections get to end their mails when we stop: those to us, then those of ours. */
const GRACE = { peers: 4 * SECOND, handovers: 3 * SECOND };

export interface DaemonOptions {
  readonly file: string;
  readonly version: string;
}

/** Resolves with the exit code when the server has ended. */
export async function runDaemon({ file, version }: DaemonOptions): Promise<number> {
  const loaded = loadConfig(file);
  if (loaded.kind === 'bad') {
    for (const problem of loaded.problems) process.stderr.write(`${showProblem(problem)}\n`);
    return 2;
  }
  const { config } = loaded;
  const clock = new SystemClock();
  const logging = await openLog(config.log.level, clock);
  const { log } = logging;
  try {
    mkdirSync(config.spool, { recursive: true, mode: 0o700 });
  } catch (error) {
    return failed(logging, `the spool folder ${config.spool} can't be made: ${messageOf(error)}`);
  }
  const behind = (why: string, lost: number) => log.warn('trace journal behind', { why, lost });
  const journal = new Journal(config.spool, clock, behind);
  const refusals = new Journal(config.spool, clock, behind, REFUSALS);
  logging.tee(journal, refusals);
  const server = await wire(config, clock, log);
  if ('kind' in server) return failed(logging, server.why);
  const daemon = new Daemon({ file, version, server, logging, clock });
  const why = await daemon.open();
  if (why === null) await daemon.run();
  await daemon.close();
  await journal.close();
  await refusals.close();
  if (why !== null) return failed(logging, why);
  logging.flush();
  return 0;
}

function failed(logging: Logging, why: string): number {
  logging.log.error('cannot start', { why });
  logging.flush();
  return 1;
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

interface Parts {
  readonly file: string;
  readonly version: string;
  readonly server: Server;
  readonly logging: Logging;
  readonly clock: SystemClock;
}

class Daemon {
  readonly #parts: Parts;
  readonly #log: Log;
  readonly #listeners = new Map<Protocol, Listeners>();
  #control: Control | null = null;
  #couriers: Control | null = null;
  #reloading: Promise<Reloaded> | null = null;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#log = parts.logging.log;
  }

  /** Null when all accept, else why not. */
  async open(): Promise<string | null> {
    const { server, clock, version } = this.#parts;
    const { config } = server.current();
    const control = await startControl(this.#running(version, clock), config.spool);
    if (control.kind === 'failed') return control.why;
    this.#control = control;
    if (config.rmail !== undefined) {
      const couriers = await startCouriers(this.#running(version, clock), config.rmail);
      if (couriers.kind === 'failed') return couriers.why;
      this.#couriers = couriers;
    }
    for (const protocol of PROTOCOLS) {
      const listeners = await listen({
        at: config.listen[protocol],
        engine: server.engines[protocol],
        connections: config.limits.connections,
        perClient: config.limits.connectionsPerClient,
        perNetwork: config.limits.connectionsPerNetwork,
        networkBits: config.conduct.networkBits,
        isPeer: (address) => server.current().isPeer(address),
        ...(protocol === 'smtp' && { isProxy: networkSet(config.proxies) }),
        clock,
        log: this.#log,
      });
      if (listeners.kind === 'failed') {
        return `cannot listen at ${listeners.at.host} port ${listeners.at.port}: ${listeners.why}`;
      }
      this.#listeners.set(protocol, listeners);
    }
    // A route may have changed while we were off: entries follow their domain before any is handed over.
    const moved = await server.follow();
    if (moved.moved + moved.held > 0) this.#log.info('queues follow their domains', { ...moved });
    server.keep();
    return null;
  }

  /** Resolves when somebody asked us to end. */
  async run(): Promise<void> {
    const hangup = () => void this.reload();
    process.on('SIGHUP', hangup);
    const ended = new Promise<string>((resolve) => {
      process.once('SIGTERM', () => resolve('SIGTERM'));
      process.once('SIGINT', () => resolve('SIGINT'));
    });
    this.#log.info('ready', { listening: this.#bound().map((l) => `${l.address} port ${l.port}`) });
    const signal = await ended;
    process.off('SIGHUP', hangup);
    process.once('SIGTERM', () => process.exit(1));
    process.once('SIGINT', () => process.exit(1));
    this.#log.info('ending', { why: signal });
  }

  async close(): Promise<void> {
    const listeners = [...this.#listeners.values()];
    await Promise.all([
      ...listeners.map((l) => l.stop(GRACE.peers)),
      this.#control?.close(),
      this.#couriers?.close(),
    ]);
    await this.#parts.server.close(GRACE.handovers);
    this.#log.info('ended');
  }

  /** One at a time; a second call joins the first. */
  reload(): Promise<Reloaded> {
    this.#reloading ??= this.#reload().finally(() => {
      this.#reloading = null;
    });
    return this.#reloading;
  }

  async #reload(): Promise<Reloaded> {
    const { server, file, logging } = this.#parts;
    const loaded = loadConfig(file);
    if (loaded.kind === 'bad') {
      const { problems } = loaded;
      this.#log.error('reload refused', { problems: problems.map(showProblem) });
      return { kind: 'bad', problems };
    }
    const before = server.current();
    const { config } = loaded;
    for (const key of needsRestart(before.config, config)) {
      this.#log.warn('a restart is needed', { why: `${key} has changed` });
    }
    logging.setLevel(config.log.level);
    server.replace(config);
    const badTls = await server.tls.reload(config.tls);
    if (badTls) this.#log.error('certificates kept as they were', { why: badTls.why });
    const followed = await server.follow();
    server.rekeep();
    this.#log.info('reloaded', { file, ...followed });
    return { kind: 'ok', ...followed };
  }

  #running(version: string, clock: SystemClock): Running {
    const { server } = this.#parts;
    return {
      version,
      started: clock.now(),
      clock,
      log: this.#log,
      spool: server.spool,
      keepers: server.keepers,
      blocklists: () => server.blocklists.views(),
      rosters: server.rosters,
      config: () => server.current().config,
      listeners: () => this.#bound(),
      reload: () => this.reload(),
      courier: server.courier,
      brought: server.brought,
    };
  }

  #bound(): ListenerView[] {
    return [...this.#listeners].flatMap(([protocol, { bound }]) =>
      bound.map(({ host, port }) => ({ protocol, address: host, port })),
    );
  }
}

/** What is opened once: the rest of a new configuration is in force all the same. */
function needsRestart(before: Config, after: Config): string[] {
  const fixed = ['spool', 'listen', 'proxies', 'resolver'] as const;
  const changed = fixed.filter((key) => JSON.stringify(before[key]) !== JSON.stringify(after[key]));
  return changed.map((key) => (key === 'proxies' ? 'listen.proxy' : key));
}
