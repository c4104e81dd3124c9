/**
 * Blocklists that are real ones: rbldnsd behind unbound, and the whole server in front. What is listed is denied, by every kind
 * of look-up; lists that are broken in every way hurt nobody; a silent list costs a busy server nothing (RFC 5782).
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Peer, until } from '../support/daemon.ts';
import { openLoop, spread } from './blocklist/load.ts';
import { World, type ZoneData } from './blocklist/world.ts';

const FINE = '127.0.0.20';
const four = (zone: string, ...lines: string[]): ZoneData => ({
  zone,
  type: 'ip4set',
  data: `${lines.join('\n')}\n`,
});
/** The kind of data that can have all addresses. */
const trie = (zone: string, ...lines: string[]): ZoneData => ({
  zone,
  type: 'ip4trie',
  data: `${lines.join('\n')}\n`,
});
const POINT = '127.0.0.2';
const THE_WORLD = '0.0.0.0/0';

const ZONES: readonly ZoneData[] = [
  four('zen', ':127.0.0.4:Spam from $, see http://zen.example/?$', POINT, '127.0.0.66', '127.0.0.69'),
  { zone: 'zen', type: 'ip6trie', data: ':127.0.0.5:Six\n::ffff:7f00:2\n::1\n' },
  four('codes', POINT, '127.0.0.67 :127.0.0.9:', '127.0.0.68 :127.0.0.5:Five'),
  { zone: 'dbl', type: 'dnset', data: ':127.0.1.2:Bad name $\ntest\n.bad.example\n' },
  four('good', ':127.0.9.1:', POINT, '127.0.0.69'),
  four('two', POINT, '127.0.0.66', '127.0.0.70'),
  trie('turn', ':127.0.0.2:Turned', POINT, '127.0.0.71'),
];
const BROKEN: readonly ZoneData[] = [
  trie('refusing', ':127.255.255.254:', THE_WORLD),
  trie('sold', ':192.0.2.80:', THE_WORLD),
  four('nothing', '192.0.2.1'),
  trie('everything', THE_WORLD),
];
const SILENT: readonly ZoneData[] = [four('silent', POINT, FINE)];

interface Row {
  readonly zone: string;
  readonly state: string;
  readonly reason: string | null;
  readonly hits: number;
  readonly timeouts: number;
}

describe('real blocklists', () => {
  let world: World;

  before(async () => {
    const names = [
      { address: '127.0.0.40', name: 'dial.bad.example', true: true },
      { address: '127.0.0.41', name: 'forged.bad.example', true: false },
    ];
    world = await World.make([ZONES, BROKEN, SILENT], names);
    await world.configure('[zen.bl]');
    await world.daemon.start();
  });
  after(() => world?.end());

  const rows = async (): Promise<Row[]> =>
    (await world.daemon.json<{ blocklists: Row[] }>('status')).blocklists;
  const row = async (zone: string) => (await rows()).find((each) => each.zone === `${zone}.bl.example`);

  async function use(blocklists: string): Promise<void> {
    await world.configure(blocklists);
    const { code, err } = await world.daemon.command('reload');
    assert.equal(code, 0, err);
    await until('the first tests', async () =>
      (await rows()).every((each) => each.state !== 'new') ? true : null,
    );
  }

  /** The reply to the recipient. */
  async function rcpt(
    from: string,
    { helo = 'x.example', sender = 'a@x.example', to = 'joe@acme.example' } = {},
  ) {
    const peer = await Peer.to(world.daemon.port, from);
    await peer.say(`EHLO ${helo}`);
    await peer.say(`MAIL FROM:<${sender}>`);
    const reply = await peer.say(`RCPT TO:<${to}>`);
    peer.close();
    return reply.trim();
  }

  test('deny what they list, IPv4 and IPv6, with their own words', async () => {
    await use('{ lists: [{ zone: zen.bl, families: [ipv4, ipv6] }, two.bl], allow: [good.bl] }');
    const text = 'Spam from 127.0.0.66, see http://zen.example/?127.0.0.66';
    assert.equal(
      await rcpt('127.0.0.66'),
      `550 5.7.1 Denied: 127.0.0.66 is listed by zen.bl.example: ${text}`,
    );
    assert.equal(await rcpt('::1'), '550 5.7.1 Denied: ::1 is listed by zen.bl.example: Six');
    assert.match(
      await rcpt('127.0.0.70'),
      /^550 5\.7\.1 Denied: 127\.0\.0\.70 is listed by two\.bl\.example/,
    );
    assert.match(await rcpt(FINE), /^250/);
    assert.match(await rcpt('127.0.0.66', { to: 'postmaster@acme.example' }), /^250/);
    assert.match(await rcpt('127.0.0.69'), /^250/, 'on the allow list');
    const { why } = await world.daemon.event('recipient refused');
    assert.equal(
      why,
      'zen.bl.example lists 127.0.0.66 as 127.0.0.4; two.bl.example lists 127.0.0.66 as 127.0.0.2; score 2 of 1',
    );
    await use('[zen.bl]');
    assert.match(await rcpt('::1'), /^250/, 'not declared to have IPv6');
  });

  test('by selected codes, weights, and for now only', async () => {
    await use('{ lists: [{ zone: codes.bl, codes: [127.0.0.2-5] }], action: defer }');
    assert.match(await rcpt('127.0.0.67'), /^250/);
    assert.match(await rcpt('127.0.0.68'), /^450 4\.7\.1 .*: Five$/);
    await use('{ lists: [zen.bl, { zone: two.bl, weight: 2 }], threshold: 3 }');
    assert.match(await rcpt('127.0.0.66'), /^550/);
    const peer = await Peer.to(world.daemon.port, '127.0.0.70');
    await peer.say('EHLO x.example');
    const { end } = await peer.mail(['joe@acme.example'], 'Subject: x\r\n\r\nx');
    peer.close();
    const id = /held as (\S+)/.exec(end)?.[1] ?? '';
    const told = await until('its trace', async () => {
      const { out } = await world.daemon.command('trace', id);
      return out.includes('score') ? out : null;
    });
    assert.match(told, /two\.bl\.example lists 127\.0\.0\.70 as 127\.0\.0\.2; score 2 of 3/);
  });

  test('names: in EHLO, of the sender, of the client if it is really its', async () => {
    await use('[{ zone: dbl.bl, kind: [client-name, helo, sender] }]');
    assert.match(await rcpt(FINE), /^250/);
    assert.match(
      await rcpt(FINE, { helo: 'mail.bad.example' }),
      /^550 .*the EHLO name mail\.bad\.example .*: Bad name bad\.example$/,
    );
    assert.match(await rcpt(FINE, { sender: 'x@bad.example' }), /^550 .*the sender's domain bad\.example/);
    assert.match(await rcpt(FINE, { helo: '[127.0.0.2]', sender: '' }), /^250/);
    assert.match(await rcpt('127.0.0.40'), /^550 .*the client name dial\.bad\.example/);
    assert.match(await rcpt('127.0.0.41'), /^250/, 'its name does not point back');
  });

  test('broken in every way hurt nobody, and each is told apart', async () => {
    const from = world.daemon.log.length;
    world.lists[2]?.silence();
    await world.configure('[refusing.bl, sold.bl, nothing.bl, everything.bl, silent.bl, zen.bl]');
    await world.daemon.command('reload');
    assert.match(await rcpt(FINE), /^250/, 'before any test is over');
    const REASONS: readonly (readonly [string, RegExp])[] = [
      ['refusing', /public resolver.*\(127\.255\.255\.254\)/],
      ['sold', /127\.0\.0\.2 is answered with 192\.0\.2\.80/],
      ['nothing', /lists nothing: 127\.0\.0\.2 is not there/],
      ['everything', /lists everything: 127\.0\.0\.1 is there/],
      ['silent', /does not answer/],
    ];
    for (const [zone, reason] of REASONS) {
      const told = await until(`a reason for ${zone}`, async () => (await row(zone))?.reason ?? null);
      assert.match(told, reason);
    }
    world.lists[2]?.silence(false);
    assert.deepEqual(
      (await rows()).map(({ state }) => state),
      ['new', 'new', 'new', 'aside', 'new', 'good'],
    );
    const alarm = await world.daemon.event('blocklist set aside', from);
    assert.deepEqual([alarm.level, alarm.list], ['error', 'everything.bl.example']);
    assert.match(await rcpt(FINE), /^250/);
    assert.match(await rcpt('127.0.0.66'), /^550/, 'the good one still denies');
  });

  test('one that turns to list the world is out at its check, and mail flows on', async () => {
    await use('[turn.bl, zen.bl]');
    assert.match(await rcpt('127.0.0.71'), /^550 .*: Turned/);
    assert.match(await rcpt(FINE), /^250/);
    const from = world.daemon.log.length;
    await world.lists[0]?.change(trie('turn', THE_WORLD));
    let [client, denied] = [100, 0];
    await until('the list set aside', async () => {
      if (!(await rcpt(`127.0.0.${client++}`)).startsWith('250')) denied++;
      return (await row('turn'))?.state === 'aside' ? true : null;
    });
    assert.ok(denied < 100, `${denied} were denied`);
    assert.match(String((await world.daemon.event('blocklist set aside', from)).why), /lists everything/);
    for (const address of [FINE, '127.0.0.71', '127.0.0.200']) assert.match(await rcpt(address), /^250/);
    assert.match(await rcpt('127.0.0.66'), /^550/, 'the other one still denies');
  });
});

describe('200 mails a second with five blocklists', () => {
  const [RATE, SECONDS, SILENT_AT] = [200, 12, 3];
  const five = ['one', 'two', 'three', 'four', 'five'];
  let world: World;

  before(async () => {
    const zones = five.map((zone) => four(zone, POINT));
    world = await World.make([zones.slice(0, 4), zones.slice(4)]);
    await world.configure(`[${five.map((zone) => `${zone}.bl`).join(', ')}]`);
    await world.daemon.start();
  });
  after(() => world?.end());

  const states = async () =>
    (await world.daemon.json<{ blocklists: Row[] }>('status')).blocklists.map((r) => r.state);
  const good = () =>
    until('the first tests', async () => ((await states()).every((s) => s === 'good') ? true : null));

  test('keep their latency when one of the lists falls silent', async (t) => {
    await good();
    await openLoop(world.daemon.port, RATE, 2);
    const all = await openLoop(world.daemon.port, RATE, SECONDS);
    const base = spread(all);
    const stop = setTimeout(() => world.lists[1]?.silence(), SILENT_AT * 1000);
    const sent = await openLoop(world.daemon.port, RATE, SECONDS);
    clearTimeout(stop);
    assert.deepEqual(await states(), ['good', 'good', 'good', 'good', 'aside']);
    const before = spread(sent.filter(({ due }) => due < SILENT_AT * 1000 - 500));
    const onset = spread(
      sent.filter(({ due }) => due >= SILENT_AT * 1000 - 500 && due < (SILENT_AT + 4) * 1000),
    );
    const later = spread(sent.filter(({ due }) => due >= (SILENT_AT + 4) * 1000));
    const still = await openLoop(world.daemon.port, RATE, 5);
    const without = spread(still);
    const show = ({ half, most99, longest }: typeof base) =>
      `median ${half}, p99 ${most99}, most ${longest} ms`;
    t.diagnostic(`all five answer:              ${show(base)}`);
    t.diagnostic(`before one falls silent:      ${show(before)}`);
    t.diagnostic(`the 4 s from then on:         ${show(onset)}`);
    t.diagnostic(`after these:                  ${show(later)}`);
    t.diagnostic(`the next run, still silent:   ${show(without)}`);
    const refused = [...all, ...sent, ...still].filter(({ reply }) => !reply.startsWith('250'));
    assert.deepEqual(refused.slice(0, 3), []);
    assert.ok(onset.longest < 5500, 'nobody waits for longer than the deadline');
    // To wait for the silent one would cost each mail 4 s and more.
    for (const each of [later, without]) {
      assert.ok(each.half < 5 * base.half + 200, `median ${each.half} ms beside ${base.half} ms`);
      assert.ok(each.most99 < 5 * base.most99 + 1000, `p99 ${each.most99} ms beside ${base.most99} ms`);
    }
  });
});
