/**
 * Restante as the benchmark runs it, with the ordinary gate: SPF is asked of a local resolver. Its limits are on, and
 * set above the load.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { finished } from './processes.ts';
import { DNS_PORT, gone, greets, RESTANTE_PORT, type Server, SINK } from './server.ts';

const BIN = join(resolve(import.meta.dirname, '..'), 'bin/restante');

export interface BenchSite {
  readonly name: string;
  readonly domain: string;
  /** host:port */
  readonly primary: string;
}

export const ONE_SITE: readonly BenchSite[] = [
  { name: 'bench', domain: 'example.test', primary: `${SINK.host}:${SINK.port}` },
];

export interface Restante extends Server {
  readonly spool: string;
  /** kill -9; resolves when it is gone. */
  kill(): Promise<void>;
  /** Octets of content that it holds. */
  bytes(): number;
}

/** Another gate than the ordinary one. */
export interface GateText {
  readonly title: string;
  /** More lines of the configuration. */
  readonly text: string;
}

export function restante(
  folder: string,
  port = RESTANTE_PORT,
  sites = ONE_SITE,
  { title, text }: GateText = { title: 'Restante', text: '' },
): Restante {
  const file = join(folder, 'restante.yaml');
  mkdirSync(folder, { recursive: true });
  for (const site of sites) writeFileSync(join(folder, `${site.name}.roster`), `u@${site.domain}\n`);
  writeFileSync(
    file,
    `hostname: mx2.bench.test
spool: ${folder}/spool
listen: { smtp: ["127.0.0.1:${port}"] }
resolver: ["127.0.0.1:${DNS_PORT}"]
limits: { connections: 2000, connections_per_client: 1000 }
${text}sites:
${sites.map((site) => siteText(site, folder)).join('')}`,
  );
  let child: ChildProcess | null = null;
  const pid = () => {
    if (!child?.pid) throw new Error('not started');
    return child.pid;
  };
  const end = async (signal: 'SIGTERM' | 'SIGKILL') => {
    if (!child?.pid) return;
    child.kill(signal);
    await gone(child.pid);
    child = null;
  };
  const listed = (): { queued: number; bytes: number }[] =>
    JSON.parse(execFileSync(BIN, ['site', 'list', '--json', '-c', file], { encoding: 'utf8' }));
  const sum = (key: 'queued' | 'bytes') => listed().reduce((all, site) => all + Number(site[key]), 0);
  return {
    name: title,
    port,
    spool: join(folder, 'spool'),
    log: join(folder, 'log'),
    async start() {
      const log = openSync(join(folder, 'log'), 'a');
      // A group of its own: an interrupt at the terminal is ours to pass on.
      child = spawn(BIN, ['serve', '-c', file], { stdio: ['ignore', log, log], detached: true });
      closeSync(log);
      await greets(port);
    },
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
    wipe() {
      rmSync(join(folder, 'spool'), { recursive: true, force: true });
      rmSync(join(folder, 'log'), { force: true });
    },
    async flush() {
      for (const { name } of sites) {
        await finished(spawn(BIN, ['site', 'flush', name, '-c', file], { stdio: 'ignore' }), 'site flush');
      }
    },
    queued: () => sum('queued'),
    busy: () => 0,
    bytes: () => sum('bytes'),
    pid,
    shown: () => readFileSync(file, 'utf8'),
  };
}

const siteText = ({ name, domain, primary }: BenchSite, folder: string): string => `  ${name}:
    domains: [${domain}]
    primary: "${primary}"
    recipients: { file: ${folder}/${name}.roster }
`;
