/**
 * The two servers, as alike as they can be: both hold for one domain with a list of recipients, hand over to
 * the same sink on loopback, log to a file, look nothing up, sync before 250. Their files are printed with
 * the results. Nothing is ended but what was started here.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { chownSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join, resolve } from 'node:path';

export const SINK = { host: '127.0.0.1', port: 2600 };
const ROOT = resolve(import.meta.dirname, '..');

export interface Server {
  readonly name: string;
  readonly port: number;
  /** Resolves when it greets. */
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Forgets its mail. Only while it is stopped. */
  wipe(): void;
  /** Asks it to hand over what it holds, now. */
  flush(): void;
  /** Mails that it holds. */
  queued(): number;
  /** Process id at the root of it. */
  pid(): number;
  /** Its configuration, for the reader. */
  shown(): string;
}

/** Until it greets; 30 s at most. */
export async function greets(port: number): Promise<void> {
  for (let i = 0; i < 3000; i++) {
    const ok = await new Promise<boolean>((done) => {
      const socket = connect(port, '127.0.0.1');
      socket.once('data', () => done(true));
      socket.once('error', () => done(false));
      socket.setTimeout(5000, () => done(false));
      socket.once('data', () => socket.end('QUIT\r\n'));
    });
    if (ok) return;
    await new Promise((wake) => setTimeout(wake, 10));
  }
  throw new Error(`nobody greets at port ${port}`);
}

const gone = (pid: number): Promise<void> =>
  new Promise((done, fail) => {
    const end = Date.now() + 20_000;
    const look = () => {
      try {
        process.kill(pid, 0);
        if (Date.now() > end) fail(new Error(`process ${pid} does not end`));
        else setTimeout(look, 20);
      } catch {
        done();
      }
    };
    look();
  });

export function restante(folder: string): Server {
  const port = 2590;
  const file = join(folder, 'restante.yaml');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'roster'), 'u@example.test\n');
  writeFileSync(
    file,
    `hostname: mx2.bench.test
spool: ${folder}/spool
listen: { smtp: ["127.0.0.1:${port}"] }
limits: { connections: 2000, connections_per_client: 1000 }
sites:
  bench:
    domains: [example.test]
    primary: "${SINK.host}:${SINK.port}"
    recipients: { file: ${folder}/roster }
`,
  );
  const bin = join(ROOT, 'bin/restante');
  let child: ChildProcess | null = null;
  const pid = () => {
    if (!child?.pid) throw new Error('not started');
    return child.pid;
  };
  return {
    name: 'Restante',
    port,
    async start() {
      const log = openSync(join(folder, 'log'), 'a');
      child = spawn(bin, ['serve', '-c', file], { stdio: ['ignore', log, log] });
      await greets(port);
    },
    async stop() {
      child?.kill('SIGTERM');
      await gone(pid());
    },
    wipe: () => rmSync(join(folder, 'spool'), { recursive: true, force: true }),
    flush: () => void execFileSync(bin, ['site', 'flush', 'bench', '-c', file], { stdio: 'ignore' }),
    queued: () => {
      const sites = JSON.parse(
        execFileSync(bin, ['site', 'list', '--json', '-c', file], { encoding: 'utf8' }),
      );
      return Number(sites[0].queued);
    },
    pid,
    shown: () => readFileSync(file, 'utf8'),
  };
}

/** Postfix as a backup. `relay_recipient_maps` are on, `in_flow_delay` is off: its fair maximum. */
export function postfix(folder: string): Server {
  const port = 2501;
  const etc = join(folder, 'etc');
  for (const sub of ['etc', 'spool', 'data']) mkdirSync(join(folder, sub), { recursive: true });
  const uid = Number(execFileSync('id', ['-u', 'postfix'], { encoding: 'utf8' }));
  chownSync(join(folder, 'data'), uid, -1);
  const main = `compatibility_level = 3.6
queue_directory = ${folder}/spool
data_directory = ${folder}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
maillog_file = ${folder}/maillog
maillog_file_prefixes = ${folder}
myhostname = mx2.bench.test
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
mydestination =
local_recipient_maps =
alias_maps =
alias_database =
relay_domains = example.test
relay_recipient_maps = inline:{ u@example.test=x }
transport_maps = inline:{ { example.test = relay:[${SINK.host}]:${SINK.port} } }
smtpd_relay_restrictions = reject_unauth_destination
smtpd_client_connection_count_limit = 0
smtpd_peername_lookup = no
disable_dns_lookups = yes
smtp_host_lookup = native
smtpd_tls_security_level = none
smtp_tls_security_level = none
message_size_limit = 209715200
default_process_limit = 150
relay_destination_concurrency_limit = 50
in_flow_delay = 0
`;
  writeFileSync(join(etc, 'main.cf'), main);
  const proto = readFileSync('/etc/postfix/master.cf.proto', 'utf8');
  const services = proto.slice(0, proto.indexOf('\n', proto.search(/^postlog/m)) + 1);
  writeFileSync(
    join(etc, 'master.cf'),
    services.replace(/^smtp {6}inet .*/m, `127.0.0.1:${port} inet n - n - - smtpd`),
  );
  execFileSync('postconf', ['-c', etc, '-F', '*/*/chroot = n'], { stdio: 'ignore' });
  const run = (command: string, ...args: string[]) =>
    execFileSync(command, ['-c', etc, ...args], { stdio: 'ignore' });
  const pid = () => Number(readFileSync(join(folder, 'spool/pid/master.pid'), 'utf8').trim());
  return {
    name: 'Postfix',
    port,
    async start() {
      run('postfix', 'start');
      await greets(port);
    },
    async stop() {
      const master = pid();
      run('postfix', 'stop');
      await gone(master);
    },
    wipe() {
      for (const sub of ['spool', 'data']) rmSync(join(folder, sub), { recursive: true, force: true });
      for (const sub of ['spool', 'data']) mkdirSync(join(folder, sub));
      chownSync(join(folder, 'data'), uid, -1);
    },
    flush: () => void run('postqueue', '-f'),
    queued: () =>
      ['incoming', 'active', 'deferred'].reduce((sum, queue) => {
        const path = join(folder, 'spool', queue);
        return sum + Number(execFileSync('sh', ['-c', `find ${path} -type f | wc -l`], { encoding: 'utf8' }));
      }, 0),
    pid,
    shown: () => main,
  };
}
