/**
 * Real filters, each with the least configuration that it needs, below one folder and on loopback: rspamd without
 * its rules, redis or network, OpenDKIM as signer and as verifier with its key in a file.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../../support/daemon.ts';
import { until } from '../lab.ts';

export const GTUBE = 'XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X';

/** Adds a field to each mail, and quarantines those whose subject is odd. */
const RULES = `rspamd_config:register_symbol({
  name = 'TEST_RULES', type = 'prefilter', callback = function(task)
    task:set_milter_reply({ add_headers = { ['X-Seen-By'] = 'rspamd' } })
    if (task:get_subject() or ''):find('odd') then task:set_pre_result('quarantine', 'it looks odd') end
  end })
`;

export class Filters {
  readonly folder = mkdtempSync(join(tmpdir(), 'restante-milters-'));
  readonly #running: ChildProcess[] = [];
  output = '';

  /** Its address. */
  async rspamd(): Promise<string> {
    const port = await freePort();
    const { folder } = this;
    writeFileSync(join(folder, 'rules.lua'), RULES);
    writeFileSync(join(folder, 'tld.dat'), 'com\nexample\n');
    const conf = `options {
  pidfile = "${folder}/rspamd.pid"; control_socket = "${folder}/control mode=0600"; tempdir = "${folder}";
  dns { nameserver = ["127.0.0.1:1"]; timeout = 0.1s; retransmits = 1; }
  cache_file = ""; hs_cache_dir = "${folder}"; disable_hyperscan = true; rrd = ""; history_file = "";
  url_tld = "${folder}/tld.dat"; gtube_patterns = "all";
}
logging { type = "console"; level = "info"; color = false; }
worker "rspamd_proxy" {
  bind_socket = "127.0.0.1:${port}"; milter = yes; count = 1; timeout = 20s;
  upstream "local" { default = yes; self_scan = yes; }
}
actions { reject = 15; add_header = 6; quarantine = 12; }
lua = "${folder}/rules.lua";
`;
    this.#start('/usr/bin/rspamd', 'rspamd', ['-f', '-i', '-c', this.#write('rspamd.conf', conf)]);
    await until(`rspamd in\n${this.output}`, 60, () => answers(port));
    return `inet:127.0.0.1:${port}`;
  }

  /** A signer and a verifier for this domain: their addresses. */
  async opendkim(domain: string): Promise<readonly [signer: string, verifier: string]> {
    const pair = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const key = this.#write('key.pem', pair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString());
    chmodSync(key, 0o600);
    const known = pair.publicKey.export({ type: 'spki', format: 'der' }).toString('base64');
    const keys = this.#write('keys', `test._domainkey.${domain} v=DKIM1; k=rsa; p=${known}\n`);
    const common = 'Syslog no\nBackground no\nRequireSafeKeys no\nUserID root\n';
    const signs = `Mode s\nDomain ${domain}\nSelector test\nKeyFile ${key}\nCanonicalization relaxed/simple\n`;
    const verifies = `Mode v\nTestPublicKeys ${keys}\nAuthservID verifier.test\nAlwaysAddARHeader yes\n`;
    const sockets: string[] = [];
    for (const [name, rest] of Object.entries({ signs, verifies })) {
      const socket = join(this.folder, `${name}.sock`);
      const conf = this.#write(`${name}.conf`, `${common}${rest}Socket local:${socket}\n`);
      this.#start('/usr/sbin/opendkim', 'opendkim', ['-f', '-x', conf]);
      await until(`OpenDKIM in\n${this.output}`, 30, () => existsSync(socket));
      sockets.push(`unix:${socket}`);
    }
    return [sockets[0] ?? '', sockets[1] ?? ''];
  }

  async close(): Promise<void> {
    for (const n of this.#running.keys()) await this.end(n);
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** In the order of their start. They end their own children. */
  async end(n: number): Promise<void> {
    const child = this.#running[n];
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    // OpenDKIM has no children, and takes ten seconds to end by itself.
    child.kill(child.spawnfile.endsWith('opendkim') ? 'SIGKILL' : 'SIGTERM');
    await once(child, 'exit');
  }

  #start(program: string, name: string, args: string[]): void {
    if (!existsSync(program)) throw new Error(`${program} is missing. On Debian: apt-get install ${name}`);
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (text) => (this.output += String(text)));
    this.#running.push(child);
  }

  #write(name: string, text: string): string {
    const path = join(this.folder, name);
    writeFileSync(path, text);
    return path;
  }
}

const answers = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.on('connect', () => resolve(true)).on('error', () => resolve(false));
    socket.on('connect', () => socket.destroy());
  });
