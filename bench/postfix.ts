/**
 * Debian's Postfix as a backup, its fair maximum: `in_flow_delay` off, enough processes, no look-ups, and as
 * with Restante a list of recipients, limits that are on and set above the load, its log in a file.
 * `deferring`: it does not try what it cannot hand over, which spares it work while it only holds.
 */
import { execFileSync, spawn } from 'node:child_process';
import { chownSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { finished } from './processes.ts';
import { gone, greets, POSTFIX_PORT, type Server, SINK } from './server.ts';

const mainText = (folder: string, deferring: boolean): string => `compatibility_level = 3.6
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
smtpd_client_connection_count_limit = 1000
smtpd_client_event_limit_exceptions =
smtpd_peername_lookup = no
disable_dns_lookups = yes
smtp_host_lookup = native
smtpd_tls_security_level = none
smtp_tls_security_level = none
message_size_limit = 157286400
default_process_limit = 150
relay_destination_concurrency_limit = 50
in_flow_delay = 0
${deferring ? 'defer_transports = relay\n' : ''}`;

/** The user that Postfix's programs run as. */
export const postfixUser = (): number => Number(execFileSync('id', ['-u', 'postfix'], { encoding: 'utf8' }));

export function postfix(folder: string, deferring = false): Server {
  const etc = join(folder, 'etc');
  for (const sub of ['etc', 'spool', 'data']) mkdirSync(join(folder, sub), { recursive: true });
  const uid = postfixUser();
  chownSync(join(folder, 'data'), uid, -1);
  const main = mainText(folder, deferring);
  writeFileSync(join(etc, 'main.cf'), main);
  // The services that it ships, up to postlog; our port; no chroot.
  const proto = readFileSync('/etc/postfix/master.cf.proto', 'utf8');
  const services = proto.slice(0, proto.indexOf('\n', proto.search(/^postlog/m)) + 1);
  const ours = services.replace(/^smtp {6}inet .*/m, `127.0.0.1:${POSTFIX_PORT} inet n - n - - smtpd`);
  writeFileSync(join(etc, 'master.cf'), ours);
  execFileSync('postconf', ['-c', etc, '-F', '*/*/chroot = n'], { stdio: 'ignore' });
  const run = (command: string, ...args: string[]) =>
    finished(spawn(command, ['-c', etc, ...args], { stdio: 'ignore', detached: true }), command);
  const pid = () => Number(readFileSync(join(folder, 'spool/pid/master.pid'), 'utf8').trim());
  let starting: Promise<unknown> | null = null;
  let stopping: Promise<void> | null = null;
  const end = async () => {
    // An interrupted start has to be over before it can be undone.
    await starting?.catch(() => {});
    const master = pid();
    // It says 1 if the master does not run; then there is nothing to wait for.
    await run('postfix', 'stop').catch(() => {});
    await gone(master);
    starting = null;
    stopping = null;
  };
  const files = (...queues: string[]) => {
    const where = queues.map((queue) => join(folder, 'spool', queue));
    return execFileSync('find', [...where, '-type', 'f', '-printf', 'x'], { maxBuffer: 2 ** 28 }).length;
  };
  return {
    name: deferring ? 'Postfix, defer_transports' : 'Postfix',
    port: POSTFIX_PORT,
    async start() {
      starting = run('postfix', 'start');
      await starting;
      await greets(POSTFIX_PORT);
    },
    async stop() {
      if (starting) await (stopping ??= end());
    },
    wipe() {
      for (const sub of ['spool', 'data']) rmSync(join(folder, sub), { recursive: true, force: true });
      for (const sub of ['spool', 'data']) mkdirSync(join(folder, sub));
      rmSync(join(folder, 'maillog'), { force: true });
      chownSync(join(folder, 'data'), uid, -1);
    },
    async flush() {
      await run('postqueue', '-f');
    },
    queued: () => files('incoming', 'active', 'deferred'),
    busy: () => files('incoming', 'active'),
    pid,
    shown: () => main,
  };
}
