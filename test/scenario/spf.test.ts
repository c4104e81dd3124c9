/** SPF in the whole server: asked of the resolver that the file names, kept with the mail, told by `trace`. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Daemon } from '../support/daemon.ts';

let d: Daemon;

before(async () => {
  d = await Daemon.make(
    'sites: { acme: { domains: [acme.example], primary: "127.0.0.1:9", recipients: any } }',
  );
  d.names.txt('elsewhere.example', 'v=spf1 ip4:127.0.0.1 -all');
  await d.start();
});
after(() => d.remove());

async function held(from?: string): Promise<string> {
  const peer = await d.peer(from);
  await peer.say('EHLO client.elsewhere.example');
  const said = await peer.mail(['joe@acme.example'], 'Subject: x\r\n\r\nbody');
  assert.match(said.end, /^250/);
  peer.close();
  const id = /as (\S+)/.exec(said.end)?.[1];
  assert.ok(id);
  return id;
}

test('a pass and a fail are found, kept with the mail, and told', async () => {
  for (const [from, result] of [
    ['127.0.0.1', 'pass'],
    ['127.0.0.7', 'fail'],
  ] as const) {
    const id = await held(from);
    const { out } = await d.command('trace', id);
    assert.match(out, new RegExp(`authentication="spf=${result} elsewhere.example"`), out);
    const { out: shown } = await d.command('queue', 'show', id);
    assert.match(shown, new RegExp(`^found +spf=${result} elsewhere\\.example$`, 'm'), shown);
  }
  assert.ok(d.names.asked.includes('TXT elsewhere.example'));
});
