/**
 * docs/uucp.md and docs/nncp.md cannot lie: their commands are read out of them and run, in the usual places: each end is
 * a mount namespace whose /etc and /var are its own. Only ports are others, and what systemd would start is started here.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { parse, stringify } from 'yaml';
import { freePort } from '../support/daemon.ts';
import { until } from './lab.ts';
import { standIn, taken } from './uucp/stand-in.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const CONFIG = '/etc/restante/restante.yaml';

type Side = 'near' | 'far';

class Page {
  readonly kind: 'uucp' | 'nncp';
  readonly folder: string;
  readonly #text: string;
  readonly #ends = new Map<Side, ChildProcess>();
  readonly #running: ChildProcess[] = [];
  #ports: readonly (readonly [string, string])[] = [];

  constructor(kind: 'uucp' | 'nncp') {
    this.kind = kind;
    this.#text = readFileSync(join(ROOT, `docs/${kind}.md`), 'utf8');
    this.folder = mkdtempSync('/tmp/restante-page-');
    chmodSync(this.folder, 0o755);
  }

  /** The commands of the page; those without a name install packages. */
  commands(): { name: string | undefined; text: string }[] {
    const blocks = this.#text.matchAll(/(?:<!-- \w+ (\w+: \w+) -->\n)?```sh\n([\s\S]+?)\n```/g);
    return [...blocks].map(([, name, text = '']) => ({ name, text }));
  }

  async begin(): Promise<void> {
    if (process.getuid?.() !== 0) throw new Error('root is needed: the ends are mount namespaces');
    const [smtp, line] = [await freePort(), await freePort()];
    const there = this.kind === 'uucp' ? 'mx2.example.net:540' : 'mx2.example.net:5400';
    this.#ports = [
      [`--address ${there}`, `--address 127.0.0.1:${line} --listen 127.0.0.1:${line}`],
      ['127.0.0.1:25 ', `127.0.0.1:${smtp} `],
      ['/media/stick', join(this.folder, 'stick')],
    ];
    mkdirSync(join(this.folder, 'bin'));
    mkdirSync(join(this.folder, 'stick'));
    symlinkSync(join(ROOT, 'bin/restante'), join(this.folder, 'bin/restante'));
    standIn(join(this.folder, 'sendmail'), join(this.folder, 'got'));
    for (const side of ['near', 'far'] as const) await this.#end(side);
    const yaml = /```yaml\n([\s\S]+?)\n```/.exec(readFileSync(join(ROOT, 'docs/uucp.md'), 'utf8'))?.[1] ?? '';
    const config = { ...parse(yaml), listen: { smtp: [`127.0.0.1:${smtp}`] }, outbound: '127.0.0.1:1' };
    await this.run('near', `mkdir -p /etc/restante && cat > ${CONFIG} <<'END'\n${stringify(config)}\nEND`);
  }

  async #end(side: Side): Promise<void> {
    const own = join(this.folder, side);
    const script = `set -e
mkdir -p ${own}
mount -t tmpfs tmpfs ${own}
for d in etc var; do mkdir ${own}/$d ${own}/$d.work; mount -t overlay overlay -o lowerdir=/$d,upperdir=${own}/$d,workdir=${own}/$d.work /$d; done
rm -rf /etc/uucp/config /etc/uucp/sys /var/log/uucp/Log /etc/nncp /etc/nncp.hjson
${side === 'far' ? `mount --bind ${this.folder}/sendmail /usr/sbin/sendmail` : ''}
echo ready
exec sleep 1000`;
    const child = spawn('unshare', ['-m', 'sh', '-c', script], { stdio: ['ignore', 'pipe', 'inherit'] });
    this.#ends.set(side, child);
    await once(child.stdout, 'data');
  }

  #inside(side: Side, text: string): string[] {
    const local = this.#ports.reduce((all, [from, to]) => all.replaceAll(from, to), `${text}\n`);
    return ['-m', '-t', String(this.#ends.get(side)?.pid), 'sh', '-c', `cd ${this.folder} && ${local}`];
  }

  run(side: Side, text: string): Promise<string> {
    return new Promise((done, fail) => {
      const env = { PATH: `${this.folder}/bin:${process.env.PATH}`, HOME: '/root' };
      execFile('nsenter', this.#inside(side, text), { env, timeout: 300_000 }, (fault, out, err) => {
        if (fault) fail(new Error(`${side}: ${text}\n${out}${err}`));
        else done(out);
      });
    });
  }

  /** A command of the page, by its name. */
  do(name: string): Promise<string> {
    const found = this.commands().find((command) => command.name === name);
    if (!found) throw new Error(`the page has no command "${name}"`);
    return this.run(name.startsWith('far') ? 'far' : 'near', found.text);
  }

  /** What stays, as systemd would have it. */
  start(text: string): void {
    const env = { PATH: `${this.folder}/bin:${process.env.PATH}` };
    this.#running.push(spawn('nsenter', this.#inside('near', `exec ${text}`), { env, stdio: 'ignore' }));
  }

  async serve(): Promise<void> {
    this.start(`restante serve -c ${CONFIG}`);
    await until('the server answers', 100, () =>
      this.run('near', 'restante status').then(
        () => true,
        () => false,
      ),
    );
  }

  /** Puts near/restante.yaml's lines where they belong. */
  async configure(): Promise<void> {
    const lines = parse(await this.run('near', 'cat leaf.line/near/restante.yaml'));
    const now = parse(await this.run('near', `cat ${CONFIG}`));
    const whole = { ...now, ...lines, listen: { ...now.listen, ...lines.listen } };
    await this.run('near', `cat > ${CONFIG} <<'END'\n${stringify(whole)}\nEND`);
  }

  /** Subjects that the site's mail server has got. */
  got(): string[] {
    return taken(join(this.folder, 'got')).map(
      ({ content }) => /^Subject: (.*)$/m.exec(content.toString('latin1'))?.[1] ?? '',
    );
  }

  async end(): Promise<void> {
    const all = [...this.#running, ...this.#ends.values()].filter((child) => child.exitCode === null);
    for (const child of all) child.kill('SIGTERM');
    await until('all have ended', 30, () =>
      all.every((child) => child.exitCode !== null || child.signalCode !== null),
    );
    rmSync(this.folder, { recursive: true, force: true });
  }
}

describe('docs/uucp.md', () => {
  const page = new Page('uucp');
  before(() => page.begin());
  after(() => page.end());

  test('every command installs packages or has a name', () => {
    for (const { name, text } of page.commands())
      assert.ok(name !== undefined || text.startsWith('apt-get install '), text);
  });

  test('from nothing to the first mail, and one back', async () => {
    await page.do('near: generate');
    await page.do('near: install');
    page.start('sh leaf.line/near/listen.sh');
    await page.configure();
    await page.serve();
    await page.do('near: reload');
    await until(
      'our end is good',
      100,
      () =>
        page.do('near: test').then(
          () => true,
          () => false,
        ),
      1000,
    );
    await page.do('near: pack');
    await page.do('far: install');
    assert.match(await page.do('far: call'), /the call to mx2 was good/);
    await page.do('near: send');
    await until('the job is made', 100, async () => (await page.run('near', 'uustat -a')).includes('rcsmtp'));
    await page.do('far: fetch');
    await until('the mail has come', 100, () => page.got().includes('hello'));
    await page.do('far: send');
    await until(
      'the mail back is there',
      200,
      async () => (await page.do('near: list')).includes('friend@example.net'),
      1000,
    );
  });

  test('every named command was run', () => {
    const names = page.commands().flatMap(({ name }) => name ?? []);
    const run = ['generate', 'install', 'listen', 'reload', 'test', 'pack', 'send', 'list'].map(
      (name) => `near: ${name}`,
    );
    assert.deepEqual(names.sort(), [...run, 'far: install', 'far: call', 'far: fetch', 'far: send'].sort());
  });
});

describe('docs/nncp.md', () => {
  const page = new Page('nncp');
  before(() => page.begin());
  after(() => page.end());

  test('from nothing to the first mail, on a stick', async () => {
    await page.do('near: generate');
    await page.do('near: install');
    await page.configure();
    await page.serve();
    await page.do('near: test');
    await page.do('near: pack');
    await page.do('far: install');
    await page.do('near: send');
    await until('the packet is made', 100, async () =>
      (await page.run('near', 'nncp-stat -node leaf')).includes('1 pkts'),
    );
    await page.do('near: leave');
    await page.do('far: fetch');
    await until('the mail has come', 100, () => page.got().includes('hello'));
  });
});
