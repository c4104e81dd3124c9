/**
 * The README cannot lie: the commands of its first minute are read out of it and run. Only the ports and
 * the spool are others, so that the test disturbs nothing on the machine.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, before, test } from 'node:test';
import { Names } from '../support/names.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const README = readFileSync(join(ROOT, 'README.md'), 'utf8');

/** The command below `<!-- first minute: NAME -->`. */
function command(name: string): string {
  const block = new RegExp(`<!-- first minute: ${name} -->\\n\`\`\`sh\\n([^]+?)\\n\`\`\``).exec(README)?.[1];
  assert.ok(block, `the README has a command for "${name}"`);
  return block;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((done) => server.once('listening', done));
  const address = server.address();
  await new Promise((done) => server.close(done));
  assert.ok(address && typeof address === 'object');
  return address.port;
}

let folder = '';
let local = (text: string): string => text;
const running = new Map<ChildProcess, string>();

/** A command that stays; what it prints is gathered. */
function start(name: string): ChildProcess {
  const child = spawn('bash', ['-c', `exec ${local(command(name))}`], { cwd: ROOT });
  running.set(child, '');
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (text) => running.set(child, running.get(child) + String(text)));
  }
  return child;
}

async function printed(child: ChildProcess, text: string): Promise<void> {
  for (let i = 0; !running.get(child)?.includes(text); i++) {
    assert.ok(i < 400 && child.exitCode === null, `"${text}" did not come:\n${running.get(child)}`);
    await new Promise((done) => setTimeout(done, 50));
  }
}

/** A command that ends. */
function run(text: string): Promise<string> {
  return new Promise((done, fail) => {
    execFile('bash', ['-c', local(text)], { cwd: ROOT, timeout: 20_000 }, (fault, stdout, stderr) => {
      if (fault) fail(new Error(`${text}\n${stdout}${stderr}${fault.message}`));
      else done(stdout);
    });
  });
}

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'restante-readme-'));
  const names = await Names.start();
  after(() => names.stop());
  const [receive, primary] = [String(await freePort()), String(await freePort())];
  const ports = (text: string): string => text.replaceAll('2525', receive).replaceAll('2526', primary);
  for (const name of ['restante.yaml', 'primary.mjs']) {
    const text = readFileSync(join(ROOT, 'examples', name), 'utf8');
    writeFileSync(
      join(folder, name),
      ports(text).replace(/^spool: .*$/m, `spool: ${join(folder, 'spool')}\n${names.line}`),
    );
  }
  local = (text) => ports(text).replaceAll('examples/', `${folder}/`);
});

after(async () => {
  const ended = [...running.keys()]
    .filter((child) => child.exitCode === null && child.signalCode === null)
    .map((child) => new Promise((done) => child.once('exit', done).kill('SIGKILL')));
  await Promise.all(ended);
  rmSync(folder, { recursive: true, force: true });
});

test("the README's first minute: a mail is held, shown, and goes when the primary appears", async () => {
  const server = start('serve');
  await printed(server, 'ready');
  await run(command('send'));
  assert.match(await run(command('status')), /acme.*\b1\b/, 'status shows one mail for acme');

  const primary = start('primary');
  await printed(primary, 'The primary is there');
  await run(command('flush'));
  await printed(primary, 'Held until you are back.');

  const sites = JSON.parse(await run('bin/restante site list --json -c examples/restante.yaml'));
  assert.equal(sites[0].queued, 0, 'the queue is empty');
});

test("the README's two commands are as they are named in package.json", () => {
  assert.match(README, /^npm ci && bin\/restante serve -c examples\/restante\.yaml$/m);
  assert.match(README, /^npm ci && npm test$/m);
});
