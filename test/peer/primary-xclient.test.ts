/**
 * `pass_client` before a real Postfix with strict SPF. XCLIENT: with what `restante generate primary` writes it judges the client that gave us
 * the mail, so that an honest mail passes and a forged one is refused as if we were not there. XFORWARD: its log names that client.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { postfix } from './lab/mta.ts';
import { OWN, STRANGER, STRICT_POSTFIX, Strict } from './primary/strict.ts';

describe('a Postfix with strict SPF, by XCLIENT', () => {
  let us: Strict;

  before(async () => {
    us = await Strict.up(postfix('primary'), 'example.test', { site: ['pass_client: xclient'] });
    await us.onPrimary(STRICT_POSTFIX);
    await us.send(OWN, 'first');
    await us.start();
  });
  after(() => us?.close());

  test('without the settings the primary offers no XCLIENT, and refuses an honest mail', async () => {
    await us.flush();
    assert.match(await us.refusal(), /550 5\.7\.23 .*SPF fail.*;ip=192\.0\.2\.20;/);
    assert.equal(us.find('first'), undefined);
  });

  test('with them the same mail passes, since the primary sees the client that we had', async () => {
    const folder = await us.generate('postfix');
    await us.onPrimary(`sh ${folder}/trust.sh apply`);
    const { code, stdout } = await us.flush();
    assert.deepEqual([code, stdout], [0, 'acme: all handed over\n']);
    assert.match(await us.arrived('first'), /^Received: from sender\.example\.test \(.*\[192\.0\.2\.30\]\)/m);
  });

  test('a forged one that we took is refused by the primary, and stays its own trouble', async () => {
    await us.send(STRANGER, 'forged');
    await us.send(OWN, 'second');
    await us.arrived('second');
    assert.match(await us.refusal(), /550 5\.7\.23 .*SPF fail.*;ip=192\.0\.2\.53;/);
    assert.equal(us.find('forged'), undefined);
  });

  test('undone, nothing of it is left', async () => {
    await us.onPrimary('sh /srv/lab/postfix/trust.sh undo');
    assert.equal(await us.onPrimary('postconf -n | diff /tmp/before -'), '');
  });
});

describe('a Postfix with strict SPF, by exemption and XFORWARD', () => {
  let us: Strict;

  before(async () => {
    us = await Strict.up(postfix('primary'), 'example.test', { site: ['pass_client: xforward'] });
    await us.onPrimary(STRICT_POSTFIX);
    await us.send(OWN, 'first');
    await us.send(STRANGER, 'forged');
    await us.start();
  });
  after(() => us?.close());

  test('its log names for each mail the client that we had, and our name for it; its decisions are about us', async () => {
    const folder = await us.generate('postfix');
    await us.onPrimary(`sh ${folder}/trust.sh apply`);
    const { code, stdout } = await us.flush();
    assert.deepEqual([code, stdout], [0, 'acme: all handed over\n']);
    for (const [name, address] of [
      ['first', '192.0.2.30'],
      ['forged', '192.0.2.53'],
    ] as const) {
      const mail = await us.arrived(name);
      assert.match(mail, /^Received: from backup\.example\.test \(.*\[192\.0\.2\.20\]\)/m);
      const told = `client=\\S*\\[192.0.2.20\\], orig_queue_id=\\w+, orig_client=\\S*\\[${address}\\]`;
      assert.match(us.lab.read('primary.log'), new RegExp(told.replaceAll('.', '\\.')));
    }
  });

  test('undone, nothing of it is left, and none is told any more', async () => {
    await us.onPrimary('sh /srv/lab/postfix/trust.sh undo');
    assert.equal(await us.onPrimary('postconf -n | diff /tmp/before -'), '');
    await us.send(OWN, 'second');
    assert.match(await us.refusal(), /550 5\.7\.23 .*SPF fail.*;ip=192\.0\.2\.20;/);
  });
});
