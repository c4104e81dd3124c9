/** Fronts of ours that tell who their clients are: swaks by XCLIENT, a proxy by PROXY v1. On loopback, without the lab. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { connect } from 'node:net';
import { afterEach, test } from 'node:test';
import { Daemon, until } from '../support/daemon.ts';

const SITES = 'sites: { acme: { domains: [acme.example], recipients: any, primary: "127.0.0.1:9" } }';
const daemons: Daemon[] = [];
afterEach(async () => {
  for (const one of daemons.splice(0)) await one.remove();
});

async function daemon(lines: string): Promise<Daemon> {
  const made = await Daemon.make(`${lines}\n${SITES}`);
  daemons.push(made);
  await made.start();
  return made;
}

const swaks = (port: number, ...more: string[]): Promise<string> =>
  new Promise((done) => {
    const usual = ['--server', `127.0.0.1:${port}`, '--from', 'a@sender.example', '--to', 'joe@acme.example'];
    execFile('swaks', [...usual, ...more], { timeout: 20_000 }, (_, out) => done(out));
  });

test('swaks tells by XCLIENT who its client is: that one is looked at, and stands in the log', async () => {
  const d = await daemon('peers: [127.0.0.1]\nlimits: { client: { mails: 1/h } }');
  const client = (address: string, helo: string) => swaks(d.port, '--xclient-addr', address, '--helo', helo);
  assert.match(await client('198.51.100.7', 'sender.example'), /250 2\.0\.0 Ok/);
  assert.match(await client('198.51.100.7', 'sender.example'), /450 4\.7\.1/);
  assert.match(await client('198.51.100.8', 'mx2.example.net'), /550 5\.7\.1/);
  assert.match(await client('2001:db8::7', 'sender.example'), /250 2\.0\.0 Ok/);
  assert.equal((await d.event('mail accepted')).peer, '198.51.100.7');
  assert.equal((await d.event('recipient refused')).why, 'limit: 1 mails in 1 h of client 198.51.100.7');
});

test('strangers are not offered XCLIENT', async () => {
  const d = await daemon('');
  const said = await swaks(d.port, '--xclient-addr', '198.51.100.7');
  assert.doesNotMatch(said, /250-XCLIENT/);
  assert.doesNotMatch(said, /250 2\.0\.0 Ok/);
});

test('a client behind a proxy waits for its greeting, and is gone if it does not', async () => {
  const d = await Daemon.make('');
  daemons.push(d);
  d.configure(`greeting_delay: 1s\n${SITES}`, 'proxy: [127.0.0.1]');
  await d.start();
  const talk = (text: string) => {
    const socket = connect(d.port, '127.0.0.1');
    let said = '';
    socket.on('data', (data) => (said += data.toString()));
    socket.write(text);
    return until('an answer', () => (said.includes('\r\n') ? said : null)).finally(() => socket.destroy());
  };
  const header = 'PROXY TCP4 198.51.100.7 192.0.2.25 4711 25\r\n';
  assert.match(await talk(header), /^220/);
  assert.match(await talk(`${header}EHLO x\r\n`), /^554 5\.5\.1/);
  const line = await d.event('connection');
  assert.deepEqual([line.peer, line.via], ['198.51.100.7', 'PROXY 127.0.0.1']);
});
