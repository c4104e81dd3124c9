/**
 * haproxy in front of the real server, with PROXY version 1 and 2: who its clients really are is what counts, for
 * limits, SPF and the log; and its own health checks find the server up. On loopback, without the lab: haproxy is told
 * by the same protocol from where a client comes, as if there were another one before it.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Daemon, freePort, Peer, until } from '../support/daemon.ts';

const SITES = 'sites: { acme: { domains: [acme.example], recipients: any, primary: "127.0.0.1:9" } }';

describe('haproxy in front', () => {
  let d: Daemon;
  let haproxy: ChildProcess;
  let said = '';
  const ports = { 'send-proxy': 0, 'send-proxy-v2': 0 };
  const versions = ['send-proxy', 'send-proxy-v2'] as const;

  before(async () => {
    d = await Daemon.make('');
    d.names.txt('elsewhere.example', 'v=spf1 ip4:198.51.100.0/24 ip6:2001:db8::/32 -all');
    d.configure(`limits: { client: { mails: 1/h } }\n${SITES}`, 'proxy: [127.0.0.1]');
    await d.start();
    const parts: string[] = [];
    for (const how of versions) {
      ports[how] = await freePort();
      parts.push(
        `listen ${how}
  bind 127.0.0.1:${ports[how]} accept-proxy
  option log-health-checks
  option smtpchk EHLO front.example
  server restante 127.0.0.1:${d.port} ${how} check check-send-proxy inter 300ms`,
      );
    }
    const file = join(d.folder, 'haproxy.cfg');
    writeFileSync(
      file,
      `global
  log stdout format raw local0
defaults
  mode tcp
  log global
  timeout connect 5s
  timeout client 20s
  timeout server 20s
${parts.join('\n')}
`,
    );
    haproxy = spawn('haproxy', ['-db', '-f', file], { stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [haproxy.stdout, haproxy.stderr]) {
      stream?.on('data', (text) => (said += String(text)));
    }
    await until('haproxy', async () => {
      const socket = connect(ports['send-proxy-v2'], '127.0.0.1');
      const up = await Promise.race([
        once(socket, 'connect').then(() => true),
        once(socket, 'error').then(() => null),
      ]).catch(() => null);
      socket.destroy();
      return up;
    });
  });
  after(async () => {
    if (haproxy.exitCode === null && haproxy.kill('SIGTERM')) await once(haproxy, 'exit');
    await d.remove();
  });

  const logged = (event: string, fields: Record<string, string>): Promise<Record<string, unknown>> =>
    until(`${event} in ${d.log}`, () => {
      const lines: Record<string, unknown>[] = d.log
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line));
      const wanted = Object.entries({ event, ...fields });
      return lines.find((line) => wanted.every(([name, value]) => line[name] === value)) ?? null;
    });

  for (const [how, from] of [
    ['send-proxy', '198.51.100.7'],
    ['send-proxy', '2001:db8:7::1'],
    ['send-proxy-v2', '198.51.100.8'],
    ['send-proxy-v2', '2001:db8:8::1'],
  ] as const) {
    test(`${how}: a client at ${from} is that client, and has a limit of its own`, async () => {
      const send = async (sender: string): Promise<string> => {
        const header = from.includes(':') ? `TCP6 ${from} 2001:db8::25` : `TCP4 ${from} 192.0.2.25`;
        const peer = await Peer.to(ports[how], '127.0.0.1', `PROXY ${header} 4711 25\r\n`);
        await peer.say('EHLO client.elsewhere.example');
        await peer.say(`MAIL FROM:<${sender}>`);
        const rcpt = await peer.say('RCPT TO:<joe@acme.example>');
        await peer.say('DATA');
        const end = await peer.say('Subject: x\r\n\r\nbody\r\n.');
        peer.close();
        return rcpt.startsWith('250') ? end : rcpt;
      };
      assert.match(await send('a@unknown.example'), /^250 2\.0\.0/);
      assert.match(await send('a@unknown.example'), /^450 4\.7\.1/);
      assert.match(await send('a@elsewhere.example'), /^250 2\.0\.0/, 'SPF passes, and the site is down');
      // IPv6 addresses are counted by /64, and named as they came.
      const refused = await logged('recipient refused', { peer: from });
      assert.equal(refused.why, `limit: 1 mails in 1 h of client ${from}`);
      const accepted = await logged('mail accepted', { peer: from, sender: 'a@elsewhere.example' });
      assert.deepEqual(accepted.authentication, { spf: { result: 'pass', domain: 'elsewhere.example' } });
      assert.equal((await logged('connection', { peer: from })).via, 'PROXY 127.0.0.1');
    });
  }

  test('its health checks find the server up, and are no strangers who did wrong', async () => {
    for (const how of versions) {
      const well = `Health check for server ${how}/restante succeeded`;
      await until(well, () => (said.includes(well) ? true : null));
    }
    assert.doesNotMatch(said, /failed|DOWN/, said);
    assert.doesNotMatch(d.log, /"event":"(connection|client) refused"/);
  });
});
