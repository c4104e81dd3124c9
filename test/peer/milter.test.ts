/**
 * Real filters at the real server's gate: rspamd refuses GTUBE, adds a field, and has a mail held until an
 * operator releases it; OpenDKIM signs and, as the next filter, verifies what it signed.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Daemon, Peer } from '../support/daemon.ts';
import { type FakeMail, FakePrimary } from '../support/fake-primary.ts';
import { until } from './lab.ts';
import { Filters, GTUBE } from './milter/filters.ts';

const letter = (subject: string, body = 'Hello there.', from = 'friend@elsewhere.example'): string =>
  `From: ${from}\r\nTo: u@acme.example\r\nDate: Mon, 05 Jan 2026 12:00:00 +0000\r\n` +
  `Message-ID: <${subject}@elsewhere.example>\r\nSubject: ${subject}\r\n\r\n${body}`;

interface Row {
  readonly id: string;
  readonly state: string;
  readonly reason?: string;
}

describe('at the gate', () => {
  const filters = new Filters();
  let primary: FakePrimary;
  let daemon: Daemon;
  let addresses: { rspamd: string; signer: string; verifier: string };

  const configure = (milters: readonly string[]): void => {
    const list = milters.map((one) => (one.startsWith('{') ? one : JSON.stringify(one))).join(', ');
    daemon.configure(
      `milters: [${list}]\nsites: { acme: { domains: [acme.example], recipients: any, primary: ["127.0.0.1:${primary.port}"], tls: none } }`,
    );
  };
  const start = async (...milters: string[]): Promise<void> => {
    await daemon.end('SIGTERM');
    configure(milters);
    await daemon.start();
  };
  const give = async (content: string): Promise<string> => {
    const peer = await Peer.to(daemon.port);
    await peer.say('EHLO client.example');
    const { rcpt, end } = await peer.mail(['u@acme.example'], content);
    peer.close();
    assert.match(rcpt[0] ?? '', /^250/);
    return end;
  };
  const arrived = (subject: string): Promise<FakeMail> =>
    until(`${subject} at the primary`, 30, () =>
      primary.mails.find(({ content }) => content.includes(`<${subject}@`)),
    );
  const fieldsOf = (mail: FakeMail): string => mail.content.toString('latin1').split('\r\n\r\n')[0] ?? '';

  before(async () => {
    primary = await FakePrimary.start();
    daemon = await Daemon.make('');
    const rspamd = await filters.rspamd();
    const [signer, verifier] = await filters.opendkim('elsewhere.example');
    addresses = { rspamd, signer, verifier };
  });
  after(async () => {
    await daemon?.remove();
    await primary?.stop();
    await filters.close();
  });

  test('rspamd refuses GTUBE with its own words', async () => {
    await start(addresses.rspamd);
    assert.match(await give(letter('gtube', GTUBE)), /^554 5\.7\.1 Gtube pattern\r\n/);
    const refused = await daemon.event('mail refused');
    assert.equal(refused.why, `milter ${addresses.rspamd}, of content`);
  });

  test('rspamd adds a field, and the rest is as it was sent', async () => {
    const sent = letter('plain', 'Hello.\r\n..dots\r\n');
    assert.match(await give(sent), /^250/);
    const mail = await arrived('plain');
    const [, own = ''] = /^Received: [\s\S]*?\r\n(From:[\s\S]*)$/.exec(mail.content.toString('latin1')) ?? [];
    const [header, body] = sent.replace('\r\n..', '\r\n.').split('\r\n\r\n');
    assert.equal(own, `${header}\r\nX-Seen-By: rspamd\r\n\r\n${body}\r\n`);
  });

  test('what rspamd quarantines is held, across a crash, until it is released by hand', async () => {
    assert.match(await give(letter('odd')), /^250/);
    assert.match(await give(letter('behind')), /^250/);
    await arrived('behind');
    const held = () => daemon.json<Row[]>('queue', 'list', '--state', 'held');
    const [row, ...more] = await held();
    assert.ok(row && more.length === 0);
    assert.equal(row.reason, `milter ${addresses.rspamd}: Spam message quarantined`);
    assert.equal(await daemon.end('SIGKILL'), 'SIGKILL');
    await daemon.start();
    await give(letter('after'));
    await arrived('after');
    assert.deepEqual(
      (await held()).map(({ id }) => id),
      [row.id],
    );
    assert.ok(primary.mails.every(({ content }) => !content.includes('<odd@')));
    const { code, out } = await daemon.command('queue', 'release', row.id);
    assert.deepEqual([code, out], [0, '1 mail released\n']);
    assert.match(fieldsOf(await arrived('odd')), /\r\nX-Seen-By: rspamd/);
    const { out: trace } = await daemon.command('trace', row.id);
    assert.match(trace, /Spam message quarantined/);
  });

  test('OpenDKIM verifies as the second filter what it signed as the first', async () => {
    await start(addresses.signer, addresses.verifier, addresses.rspamd);
    assert.match(await give(letter('signed', `${'A line of text.\r\n'.repeat(10_000)}end`)), /^250/);
    const header = fieldsOf(await arrived('signed'));
    assert.match(header, /\r\nDKIM-Signature: v=1; a=rsa-sha256; c=relaxed\/simple; d=elsewhere\.example/);
    assert.match(header, /\r\nAuthentication-Results: verifier\.test;\s+dkim=pass/);
    assert.match(header, /\r\nX-Seen-By: rspamd/);
    // Ours stands above them.
    assert.match(header, /^Received: from client\.example/);
  });

  test('a filter that has gone is met as its rule says', async () => {
    await filters.end(0);
    assert.match(await refusedAtRcpt(), /^451 4\.7\.1 /);
    await start(`{ at: "${addresses.rspamd}", on_failure: accept }`);
    assert.match(await give(letter('open')), /^250/);
    await start(`{ at: "${addresses.rspamd}", on_failure: quarantine }`);
    assert.match(await give(letter('closed')), /^250/);
    const [row] = await daemon.json<Row[]>('queue', 'list', '--state', 'held');
    assert.match(row?.reason ?? '', /^milter inet:\S+ failed: no connection: ECONNREFUSED/);
    assert.doesNotMatch(fieldsOf(await arrived('open')), /X-Seen-By/);
  });

  async function refusedAtRcpt(): Promise<string> {
    const peer = await Peer.to(daemon.port);
    await peer.say('EHLO client.example');
    await peer.say('MAIL FROM:<friend@elsewhere.example>');
    const said = await peer.say('RCPT TO:<u@acme.example>');
    peer.close();
    return said;
  }
});
