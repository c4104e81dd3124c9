/**
 * A real Exim as primary behind us that asks a real SPF checker (policyd-spf, since Debian's Exim has none built in) at RCPT: it refuses what
 * we hand over, and takes it with what `restante generate primary --for exim` writes.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { exim } from './lab/mta.ts';
import { until } from './lab.ts';
import { OWN, STRANGER, Strict } from './primary/strict.ts';

const CONF = '/etc/exim4/exim4.conf';
const REQUEST = [
  'request=smtpd_access_policy',
  'protocol_state=RCPT',
  'client_address=$sender_host_address',
  'helo_name=$sender_helo_name',
  'sender=$sender_address',
  'recipient=$local_part@$domain',
  'instance=$pid.$tod_epoch',
  '',
  '',
].join('\\n');
const STRICT = `
sed -i '1a write_rejectlog = false' ${CONF}
sed -i 's/^begin acl$/.include_if_exists \\/etc\\/exim4\\/backup.example.test.main\\n&/' ${CONF}
cat >/etc/exim4/spf <<'END'
.include_if_exists /etc/exim4/backup.example.test.acl
  deny condition = \${if match{\${readsocket{inet:127.0.0.1:10023}{${REQUEST}}{10s}}}{action=550}}
       message = 550 5.7.23 SPF fail
END
sed -i '/^  accept domains = exim.example.test$/{
r /etc/exim4/spf
N
}' ${CONF}
sed -i 's/^  domains = exim.example.test$/&\\n  local_parts = u/' ${CONF}
exim4 -bV`;

describe('an Exim with strict SPF behind us', () => {
  let us: Strict;

  before(async () => {
    us = await Strict.up(exim, 'exim.example.test');
    await us.onPrimary(STRICT);
    us.lab.spawn('exim', [
      'socat',
      'TCP-LISTEN:10023,bind=127.0.0.1,reuseaddr,fork',
      'EXEC:/usr/bin/policyd-spf',
    ]);
    await us.send(OWN, 'first');
    await us.start();
  });
  after(() => us?.close());

  /** Exim's processes keep what they began with: those with a connection end first. */
  const change = async (script: string): Promise<void> => {
    await us.onPrimary(`${script}; exim4 -bV`);
    const open = "ss -Htn state established '( sport = :25 )'";
    await until('no connection is open', 30, async () => (await us.onPrimary(open)) === '');
    await us.stop();
    await us.start();
  };

  test('without the settings it refuses an honest mail', async () => {
    await us.flush();
    assert.match(await us.refusal(), /550 5\.7\.23 SPF fail/);
    assert.equal(us.find('first'), undefined);
  });

  test('with them, which Exim finds good, the same mail passes', async () => {
    const folder = await us.generate('exim');
    await change(`cp ${folder}/backup.* /etc/exim4/`);
    const { code, stdout } = await us.flush();
    assert.deepEqual([code, stdout], [0, 'acme: all handed over\n']);
    await us.arrived('first');
  });

  test('it is no relay for us, refuses users that it does not have, and judges strangers as before', async () => {
    const recipients = ['joe@live.test', 'nobody@exim.example.test', 'u@exim.example.test'];
    const { rcpt } = await us.say('backup', '192.0.2.61', recipients, 'straight');
    assert.match(rcpt[0] ?? '', /^550 /);
    assert.match(rcpt[1] ?? '', /^550 unknown user/);
    assert.match(rcpt[2] ?? '', /^250 /);
    const stranger = await us.say(STRANGER, '192.0.2.61', ['u@exim.example.test'], 'forged');
    assert.match(stranger.rcpt[0] ?? '', /^550 5\.7\.23 SPF fail/);
  });

  test('without the files it is as it was', async () => {
    await change('rm /etc/exim4/backup.*');
    await us.send(OWN, 'second');
    assert.match(await us.refusal(), /550 5\.7\.23 SPF fail/);
  });

  test("Debian's own configuration takes the list of addresses, at once, and relays nothing for them", async () => {
    const folder = await us.generate('exim');
    const session =
      'EHLO backup\\nMAIL FROM:<>\\nRCPT TO:<root@exim.example.test>\\nRCPT TO:<x@elsewhere.test>\\nQUIT\\n';
    // Its ACL at RCPT asks for a list of bad hosts, among others; that one needs no DNS.
    const said = await us.onPrimary(`cd /etc/exim4; mv exim4.conf lab.conf
      sed -i "s/^dc_eximconfig_configtype.*/dc_eximconfig_configtype=internet/; s/^dc_other_hostnames.*/dc_other_hostnames=exim.example.test/" update-exim4.conf.conf
      update-exim4.conf
      printf '192.0.2.20\\n2001:db8:25::20\\n' >local_host_blacklist
      said() { for a in 192.0.2.20 2001:db8:25::20; do printf '${session}' | exim4 -bh $a 2>/dev/null | grep -E '^550 r|^550-s|Accepted'; done; }
      said; echo --; cat ${folder}/backup.example.test.hosts >>host_local_deny_exceptions; said`);
    const [before = '', exempted = ''] = said.split('--\n');
    assert.equal(before.match(/^550-sender IP address /gm)?.length, 2);
    assert.equal(exempted.replaceAll('\r', ''), '250 Accepted\n550 relay not permitted\n'.repeat(2));
  });
});
