/**
 * Milters at the gate: what a filter hears of a connection and its mails, and what comes of what it answers.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { UNANSWERED, UNWANTED } from '../../src/protocol/milter/codes.ts';
import { uint32 } from '../../src/protocol/milter/packet.ts';
import { CONTINUE, type Says, say } from '../support/scripted-milter.ts';
import { MilterHouse } from './milter-harness.ts';
import { HOSTNAME } from './receive-harness.ts';

const SENDER = 'a@sender.example';
const HEADER = 'From: a@sender.example\r\nX-Old: 1\r\n\tfolded\r\nSubject:x\r\n\r\n';
const BODY = 'first line\r\nlast line\r\n';
const MAIL = HEADER + BODY;

/** A house whose one filter answers so. */
const answering = (answers: Record<string, Says>) => new MilterHouse([{ answers }]);
async function send(world: MilterHouse, to = ['u@one.example'], content = MAIL): Promise<string> {
  const said = await world.house.visit().send(SENDER, to, content);
  await world.clock.settle();
  return said;
}

describe('a filter hears', () => {
  test('of the connection and of each mail, in the order of SMTP, from the first recipient on', async () => {
    const world = new MilterHouse([{}]);
    const visit = world.house.visit();
    await visit.mail('FROM:<a@sender.example> SIZE=100 BODY=8BITMIME RET=HDRS');
    assert.equal(world.filter().dials, 0);
    assert.equal(await visit.rcpt('TO:<u@elsewhere.example>'), '550 5.7.1');
    assert.equal(world.filter().dials, 0);
    assert.equal(await visit.rcpt('TO:<u@one.example>'), '250 2.1.5');
    assert.equal(await visit.data(MAIL), '250 2.0.0');
    visit.session.closed();
    await world.clock.settle();
    assert.deepEqual(world.filter().heard, [
      `O ${Buffer.concat([uint32(6), uint32(0x1ff), uint32(0x1ff7ff)])
        .toString('latin1')
        .replaceAll('\0', '|')}`,
      'C [198.51.100.10]|4\x9c@198.51.100.10|',
      'H client.example|',
      'M <a@sender.example>|SIZE=100|BODY=8BITMIME|RET=HDRS|',
      'R <u@one.example>|',
      'T ',
      'L From|a@sender.example|',
      'L X-Old|1\n\tfolded|',
      'L Subject|x|',
      'N ',
      `B ${BODY}`,
      'E ',
      'A ',
      'Q ',
    ]);
    const id = world.house.spool.mails[0]?.id;
    assert.deepEqual(world.filter().macros, [
      `D Cj|${HOSTNAME}|v|Restante|_|unknown [198.51.100.10]|{daemon_name}|${HOSTNAME}|{daemon_addr}|192.0.2.25|` +
        '{daemon_port}|25|{if_addr}|192.0.2.25|{client_addr}|198.51.100.10|{client_name}|unknown|{client_ptr}|unknown|{client_port}|40000|',
      'D M{mail_addr}|a@sender.example|{mail_host}|sender.example|{mail_mailer}|smtp|',
      'D R{rcpt_addr}|u@one.example|{rcpt_host}|one.example|{rcpt_mailer}|relay|',
      `D Ti|${id}|`,
      `D Ni|${id}|`,
      `D Ei|${id}|`,
    ]);
  });

  test('of the next mail on the same connection; of EHLO only when it has changed', async () => {
    const world = new MilterHouse([{}]);
    const visit = world.house.visit('2001:db8::7');
    await visit.send(SENDER, ['u@one.example'], MAIL);
    await visit.mail('FROM:<b@sender.example>');
    await visit.rcpt('TO:<u@one.example>');
    visit.session.reset();
    visit.manner = { helo: 'other.example', esmtp: true, tls: { version: 'TLSv1.3', cipher: 'X' } };
    await visit.send('', ['u@one.example'], MAIL);
    await world.clock.settle();
    assert.equal(world.filter().dials, 1);
    assert.equal(world.filter().letters, 'OCHMRTLLLNBEAMRAHMRTLLLNBEA');
    assert.ok(world.filter().heard.includes('C [2001:db8::7]|6\x9c@2001:db8::7|'));
    assert.ok(world.filter().heard.includes('M <>|'));
    assert.ok(world.filter().macros.includes('D H{tls_version}|TLSv1.3|{cipher}|X|'));
  });

  test('the body in pieces of 65535 octets, whatever pieces it came in', async () => {
    const world = new MilterHouse([{}]);
    const visit = world.house.visit();
    const line = `${'x'.repeat(98)}\r\n`;
    await visit.mail('FROM:<a@sender.example>');
    await visit.rcpt('TO:<u@one.example>');
    await visit.data(HEADER, ...Array.from({ length: 20 }, () => line.repeat(100)));
    const pieces = world
      .filter()
      .heard.filter((h) => h.startsWith('B '))
      .map((h) => h.length - 2);
    assert.deepEqual(pieces, [65_535, 65_535, 65_535, 200_000 - 3 * 65_535]);
  });

  test('nothing of what it does not want, and is not waited for where it does not answer', async () => {
    const all = Object.values(UNWANTED).reduce((a, b) => a | b, 0);
    const none = new MilterHouse([{ steps: all }]);
    assert.equal(await send(none), '250 2.0.0');
    assert.equal(none.filter().letters, 'OEA');
    const silent = Object.values(UNANSWERED).reduce((a, b) => a | b, 0);
    const answers = Object.fromEntries([...'CHMRTLNB'].map((code) => [code, 'silence' as const]));
    const mute = new MilterHouse([{ steps: silent, answers }]);
    assert.equal(await send(mute), '250 2.0.0');
    assert.equal(mute.filter().letters, 'OCHMRTLLLNBEA');
  });

  test('no more of a kind that it skips, and as older versions have it', async () => {
    const world = answering({ L: say('s') });
    await send(world);
    assert.equal(world.filter().letters, 'OCHMRTLNBEA');
    const old = new MilterHouse([{ version: 2 }]);
    await send(old);
    assert.equal(old.filter().letters, 'OCHMRLLLNBEA');
    const spaced = new MilterHouse([{ steps: 1 << 20 }]);
    await send(spaced);
    assert.ok(spaced.filter().heard.includes('L From| a@sender.example|'));
    const named = new MilterHouse([{ more: Buffer.concat([uint32(3), Buffer.from('j {nobody}\0')]) }]);
    await send(named);
    assert.ok(named.filter().macros.includes(`D Rj|${HOSTNAME}|`));
  });

  test('nothing more once it has accepted', async () => {
    const accept = say('a');
    const heard = async (code: string): Promise<string> => {
      const world = answering({ [code]: accept });
      const visit = world.house.visit();
      for (let i = 0; i < 2; i++) {
        assert.equal(await visit.send(SENDER, ['u@one.example', 'v@one.example'], MAIL), '250 2.0.0');
      }
      await world.clock.settle();
      return world.filter().letters;
    };
    assert.equal(await heard('C'), 'OCQ');
    assert.equal(await heard('H'), 'OCHQ');
    assert.equal(await heard('M'), 'OCHMAM');
    assert.equal(await heard('R'), 'OCHMRAMR');
    assert.equal(await heard('L'), 'OCHMRRTLAMRRTLA');
    assert.equal(await heard('E'), 'OCHMRRTLLLNBEAMRRTLLLNBEA');
  });

  test('only of mail to its sites', async () => {
    const world = new MilterHouse([{}, { sites: ['two'] }]);
    assert.equal(await send(world), '250 2.0.0');
    assert.equal(world.filter().dials, 0);
    assert.equal(await send(world, ['u@one.example', 'u@two.example']), '250 2.0.0');
    assert.ok(world.filter().heard.includes('R <u@two.example>|'));
    assert.ok(!world.filter().heard.includes('R <u@one.example>|'));
  });

  test('nothing of peers that it is to skip, nor of what comes by no connection', () => {
    const world = new MilterHouse([{}, { peers: 'skip' }], [{}]);
    const peer = { address: '192.0.2.1', port: 1, localAddress: '', localPort: 0 };
    assert.ok(world.milters.check.begin({ peer, trusted: true }));
    world.rules = world.rules.slice(0, 1);
    assert.equal(world.milters.check.begin({ peer, trusted: true }), undefined);
    assert.ok(world.milters.check.begin({ peer, trusted: false }));
  });
});

describe('what it says', () => {
  const NO = { r: '550 5.7.1', t: '451 4.7.1', f: '421 4.7.0', 4: '421 4.7.0' };
  const saying = (code: string): Says => (code === 'y' ? say('y', '552 5.2.0 Too odd') : say(code));

  test('of the connection or of MAIL is said to each recipient', async () => {
    for (const [code, status] of Object.entries({ ...NO, y: '552 5.2.0' })) {
      for (const step of 'CHM') {
        const world = answering({ [step]: saying(code) });
        const visit = world.house.visit();
        await visit.mail('FROM:<a@sender.example>');
        for (let i = 0; i < 2; i++) assert.equal(await visit.rcpt('TO:<u@one.example>'), status, code + step);
        await world.clock.settle();
        assert.equal(world.filter().letters, { C: 'OCQ', H: 'OCHQ', M: 'OCHM' }[step]);
      }
    }
  });

  test('of a recipient is said to that one', async () => {
    const world = new MilterHouse([
      { answers: { R: (data) => (data.includes('bad') ? say('y', '550 5.1.1 Not him') : CONTINUE) } },
    ]);
    const visit = world.house.visit();
    await visit.mail('FROM:<a@sender.example>');
    assert.equal(await visit.rcpt('TO:<bad@one.example>'), '550 5.1.1');
    assert.equal(await visit.rcpt('TO:<u@one.example>'), '250 2.1.5');
    assert.equal(await visit.data(MAIL), '250 2.0.0');
    assert.deepEqual(world.house.spool.mails[0]?.entries[0]?.envelope.recipients, [
      { address: 'u@one.example' },
    ]);
    assert.match(String(world.house.logged('recipient refused')[0]?.why), /^milter unix:\/m0, of rcpt$/);
  });

  test('of the content is said to the mail, of which nothing is left', async () => {
    for (const [code, status] of Object.entries({ ...NO, y: '552 5.2.0' })) {
      for (const step of 'TLNBE') {
        const world = answering({ [step]: saying(code) });
        assert.equal(await send(world), status, code + step);
        assert.equal(world.house.spool.mails.length + world.house.spool.open, 0);
        assert.equal(world.house.logged('mail refused')[0]?.why, 'milter unix:/m0, of content');
      }
    }
  });

  test('"discard" is answered 250, kept by nobody, and told in the log', async () => {
    for (const step of 'MRTLNBE') {
      const world = answering({ [step]: say('d') });
      assert.equal(await send(world, ['u@one.example', 'u@two.example']), '250 2.0.0', step);
      assert.equal(world.house.spool.mails.length + world.house.spool.open, 0);
      const [line] = world.house.logged('mail discarded');
      assert.deepEqual(
        [line?.recipients, line?.why],
        [['u@one.example', 'u@two.example'], 'milter unix:/m0'],
      );
      assert.match(String(line?.mail), /^m\d/);
    }
    // Of a connection nothing can be discarded.
    for (const step of 'CH') {
      const world = answering({ [step]: say('d') });
      assert.equal(await send(world), '250 2.0.0');
      assert.equal(world.house.spool.mails.length, 1);
    }
    // Recipients that it did not hear of get their mail.
    const world = new MilterHouse([{ answers: { E: say('d') } }, { sites: ['two'] }]);
    await send(world, ['u@one.example', 'u@two.example']);
    assert.deepEqual(
      world.house.spool.mails[0]?.entries.map((entry) => entry.queue),
      ['one'],
    );
  });
});

describe('at the end of a mail', () => {
  /** Asks for these, and goes on. */
  const asking = (...changes: Buffer[]) => answering({ E: [...changes, CONTINUE] });

  test('fields are added, inserted, changed and removed, below our own', async () => {
    const world = asking(
      say('h', 'X-Added', 'a'),
      say('i', uint32(0), 'X-Top', 't'),
      say('m', uint32(1), 'X-Old', ''),
      say('m', uint32(1), 'Subject', 'y\n z'),
    );
    assert.equal(await send(world), '250 2.0.0');
    const [mail] = world.house.spool.mails;
    assert.match(
      mail?.head ?? '',
      /^Received: [\s\S]*\r\nX-Top: t\r\nFrom: a@sender\.example\r\nSubject: y\r\n z\r\nX-Added: a\r\n\r\n$/,
    );
    assert.equal(mail?.body.toString(), BODY);
    assert.deepEqual(
      world.lines.map(({ event, fields }) => [event, fields.fields, fields.body]),
      [['mail changed', 4, false]],
    );
  });

  test('a new body takes the place of the old', async () => {
    const world = asking(say('b', Buffer.from('new\nbo')), say('h', 'X-B', '1'), say('b', Buffer.from('dy')));
    await send(world);
    assert.equal(world.house.spool.mails[0]?.body.toString(), 'new\r\nbody\r\n');
  });

  test('a recipient that is removed gets it not; with none left it is discarded', async () => {
    const world = asking(say('-', '<U@one.example>'), say('-', 'stranger@one.example'));
    assert.equal(await send(world, ['u@one.example', 'v@one.example', 'w@two.example']), '250 2.0.0');
    const entries = world.house.spool.mails[0]?.entries ?? [];
    assert.deepEqual(
      entries.map(({ queue, envelope }) => [queue, envelope.recipients.map((r) => r.address)]),
      [
        ['one', ['v@one.example']],
        ['two', ['w@two.example']],
      ],
    );
    assert.deepEqual(world.house.logged('mail accepted')[0]?.removed, ['u@one.example: milter unix:/m0']);
    assert.equal(await send(world), '250 2.0.0');
    assert.equal(world.house.spool.mails.length, 1);
    assert.equal(world.house.logged('mail discarded').length, 1);
  });

  test('nobody is added, and the sender stays: both are marked', async () => {
    const world = asking(say('+', '<boss@one.example>'), say('e', '<victim@elsewhere.example>'));
    await send(world);
    const [entry] = world.house.spool.mails[0]?.entries ?? [];
    assert.deepEqual(entry?.envelope.recipients, [{ address: 'u@one.example' }]);
    assert.equal(entry?.envelope.sender, SENDER);
    const marks = ['milter unix:/m0 asked for another recipient', 'milter unix:/m0 asked for another sender'];
    assert.deepEqual(world.house.logged('mail accepted')[0]?.marks, marks);
  });

  test('what it quarantines is taken, and held with its reason', async () => {
    const world = asking(say('q', 'looks odd'));
    assert.equal(await send(world), '250 2.0.0');
    const [entry] = world.house.spool.mails[0]?.entries ?? [];
    assert.deepEqual(entry?.hold, { kind: 'operator', reason: 'milter unix:/m0: looks odd' });
  });

  test('what it asks for before it refuses is not done', async () => {
    const world = answering({
      E: [say('h', 'X-A', 'a'), say('-', 'u@one.example'), say('q', 'odd'), say('r')],
    });
    assert.equal(await send(world), '550 5.7.1');
    assert.equal(world.house.logged('mail discarded').length, 0);
  });
});

describe('several filters', () => {
  test('see what those before them have changed', async () => {
    const first = {
      answers: { E: [say('m', uint32(1), 'Subject', 'new'), say('b', Buffer.from('new\r\n')), say('a')] },
    };
    const world = new MilterHouse([first], [{ answers: { E: [say('h', 'X-Second', '2'), CONTINUE] } }], [{}]);
    assert.equal(await send(world), '250 2.0.0');
    for (const i of [1, 2]) {
      assert.ok(world.filter(i).heard.includes('L Subject|new|'));
      assert.ok(world.filter(i).heard.includes('B new\r\n'));
    }
    assert.ok(world.filter(2).heard.includes('L X-Second|2|'));
    const [mail] = world.house.spool.mails;
    assert.match(mail?.head ?? '', /Subject: new\r\nX-Second: 2\r\n\r\n$/);
    assert.equal(mail?.body.toString(), 'new\r\n');
  });

  test('are not asked after one has refused; it is told to all that the mail is over', async () => {
    const world = new MilterHouse([{}], [{ answers: { E: say('r') } }], [{}]);
    assert.equal(await send(world), '550 5.7.1');
    await world.clock.settle();
    assert.equal(world.filter(0).letters, 'OCHMRTLLLNBEA');
    assert.equal(world.filter(2).letters, 'OCHMRA');
  });
});
