/**
 * Promise 2 with send rules: two sites may send, and still no trick of the open-relay table is taken from a
 * stranger, nor from the sites' own networks with another's sender. With their own sender they get
 * what the rule says, and not more.
 */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Manner } from '../../src/protocol/smtp/session.ts';
import { EHLO, House, listed, makeSite, peerAt, STRANGER, Visit } from './receive-harness.ts';
import { type Caller, Port } from './receive-wire.ts';
import { REFUSED, type Trick } from './relay-table.data.ts';

/** An inner host of acme, which may send to anybody. */
const INNER = '198.51.100.65';
/** An inner host of listed, which may send to sites. */
const LISTED = '203.0.113.64';

let folder = '';
let house: House;
let port: Port;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'relay-'));
  const path = join(folder, 'listed.txt');
  await writeFile(path, 'alice@listed.example\nbob\nfifty%off@listed.example\n@catchall.example\n');
  const domains = ['acme.example', '.acme.example', 'xn--bcher-kva.example'];
  house = new House(
    [
      makeSite('acme', ['acme.example', '.acme.example', 'bücher.example'], {
        send: { domains, to: 'any', networks: ['198.51.100.64/26'] },
      }),
      makeSite('listed', ['listed.example', 'catchall.example'], {
        recipients: listed(path),
        send: { domains: ['listed.example'], to: 'sites', networks: [`${LISTED}/32`] },
      }),
      makeSite('mute', ['mute.example']),
    ],
    { names: ['mx2.restante.example', 'mx2.customer.example', 'mx2.acme.example'] },
  );
  house.primaries.set('192.0.2.80', ['acme']);
  port = new Port(house);
  await port.open();
});

after(async () => {
  port.close();
  await rm(folder, { recursive: true });
});

async function play(trick: Trick, peer: string, mail: string): Promise<{ caller: Caller; reply: string }> {
  const caller = await port.call(peer);
  assert.equal(await caller.say(`MAIL ${mail}`), '250 2.1.0');
  return { caller, reply: await caller.say(`RCPT ${trick.rcpt}`) };
}

async function queuesOf(caller: Caller): Promise<string[]> {
  assert.equal(await caller.say('DATA'), '354');
  assert.equal(await caller.say('Subject: x\r\n\r\n.'), '250 2.0.0');
  return (house.spool.mails.at(-1)?.entries ?? []).map((e) => e.queue);
}

const STRANGE = 'FROM:<a@sender.example>';

describe('the open-relay table where sites may send', () => {
  for (const trick of REFUSED) {
    test(`refused to a stranger: ${trick.claim}`, async () => {
      const { caller, reply } = await play(trick, trick.peer ?? STRANGER, trick.mail ?? STRANGE);
      assert.equal(reply, trick.reply ?? '550 5.7.1');
      caller.close();
    });
  }

  for (const trick of REFUSED.filter((t) => t.mail === undefined && t.peer === undefined)) {
    test(`refused to the site's own host with another's sender: ${trick.claim}`, async () => {
      for (const peer of [INNER, LISTED]) {
        const { caller, reply } = await play(trick, peer, STRANGE);
        assert.equal(reply, trick.reply ?? '550 5.7.1');
        caller.close();
      }
    });

    test(`refused to a site that sends to sites only: ${trick.claim}`, async () => {
      const { caller, reply } = await play(trick, LISTED, 'FROM:<alice@listed.example>');
      assert.equal(reply, trick.reply ?? '550 5.7.1');
      caller.close();
    });

    test(`refused to the site that sends, or a plain address of another domain: ${trick.claim}`, async () => {
      const { caller, reply } = await play(trick, INNER, 'FROM:<joe@acme.example>');
      if (reply === '250 2.1.5') {
        for (const queue of await queuesOf(caller)) assert.match(queue, /^>[a-z0-9_-]+(\.[a-z0-9_-]+)*$/);
      } else assert.equal(reply, trick.reply ?? '550 5.7.1');
      caller.close();
    });
  }
});

interface Try {
  readonly claim: string;
  readonly sender: string;
  readonly peer?: string;
  readonly manner?: Partial<Manner>;
  /** Queue of a recipient at victim.example; null: refused. */
  readonly queue: string | null;
}

const login = (...sites: string[]) => ({ authenticated: { login: 'joe', sites } });
const courier = (site: string) => ({ courier: { protocol: 'UUCP' as const, site } });
const TRIES: readonly Try[] = [
  {
    claim: 'from its network, its domain',
    sender: 'joe@acme.example',
    peer: INNER,
    queue: '>victim.example',
  },
  {
    claim: 'from its network, in other case',
    sender: 'Joe@ACME.Example',
    peer: INNER,
    queue: '>victim.example',
  },
  {
    claim: 'from its network, below its domain',
    sender: 'joe@a.b.acme.example',
    peer: INNER,
    queue: '>victim.example',
  },
  {
    claim: 'from its network, a U-label',
    sender: 'joe@bücher.example',
    peer: INNER,
    queue: '>victim.example',
  },
  { claim: 'from its network, the null sender', sender: '', peer: INNER, queue: '>victim.example' },
  {
    claim: 'from its network, a domain that ends alike',
    sender: 'joe@evilacme.example',
    peer: INNER,
    queue: null,
  },
  {
    claim: 'from its network, a quoted sender',
    sender: '"joe@acme.example"@evil.example',
    peer: INNER,
    queue: null,
  },
  {
    claim: "from its network, another site's domain",
    sender: 'alice@listed.example',
    peer: INNER,
    queue: null,
  },
  {
    claim: 'one address beside its network',
    sender: 'joe@acme.example',
    peer: '198.51.100.128',
    queue: null,
  },
  { claim: "from the primary's address", sender: 'joe@acme.example', peer: '192.0.2.80', queue: null },
  {
    claim: 'by login of the site',
    sender: 'joe@acme.example',
    manner: login('acme'),
    queue: '>victim.example',
  },
  { claim: 'by login, the null sender', sender: '', manner: login('acme'), queue: '>victim.example' },
  { claim: "by login, another's domain", sender: 'a@sender.example', manner: login('acme'), queue: null },
  {
    claim: 'by login of two sites',
    sender: 'joe@acme.example',
    manner: login('mute', 'acme'),
    queue: '>victim.example',
  },
  {
    claim: 'by login of a site that may not send',
    sender: 'x@mute.example',
    manner: login('mute'),
    queue: null,
  },
  { claim: 'by login of another site', sender: 'joe@acme.example', manner: login('listed'), queue: null },
  {
    claim: 'by login of a site that is no more',
    sender: 'joe@acme.example',
    manner: login('gone'),
    queue: null,
  },
  { claim: 'by courier', sender: 'joe@acme.example', manner: courier('acme'), queue: '>victim.example' },
  { claim: 'by courier, the null sender', sender: '', manner: courier('acme'), queue: '>victim.example' },
  { claim: "by courier, another's domain", sender: 'a@sender.example', manner: courier('acme'), queue: null },
  {
    claim: 'by courier of a site that may not send',
    sender: 'x@mute.example',
    manner: courier('mute'),
    queue: null,
  },
  {
    claim: 'by courier, to sites only',
    sender: 'alice@listed.example',
    manner: courier('listed'),
    queue: null,
  },
  {
    claim: "by a courier called like a network's address",
    sender: 'joe@acme.example',
    peer: INNER,
    manner: courier('mute'),
    queue: null,
  },
];

describe('the send rule', () => {
  for (const { claim, sender, peer = STRANGER, manner, queue } of TRIES) {
    test(`${queue === null ? 'refused' : 'sent'}: ${claim}`, async () => {
      const visit = new Visit(house.receiver(peerAt(peer)));
      visit.manner = { ...EHLO, ...manner };
      assert.equal(await visit.mail(`FROM:<${sender}> SMTPUTF8`), '250 2.1.0');
      assert.equal(await visit.rcpt('TO:<joe@mute.example>'), '250 2.1.5');
      assert.equal(await visit.rcpt('TO:<u@victim.example>'), queue === null ? '550 5.7.1' : '250 2.1.5');
      assert.equal(await visit.data('Subject: x\r\n\r\n'), '250 2.0.0');
      const mail = house.spool.mails.at(-1);
      assert.deepEqual(
        mail?.entries.map((e) => e.queue),
        queue === null ? ['mute'] : ['mute', queue],
      );
    });
  }

  test('who sent is kept with the mail, so that he may be told; a stranger is not', async () => {
    const sends = async (sender: string, manner: Partial<Manner>) => {
      const visit = new Visit(house.receiver(peerAt('leaf')));
      visit.manner = { ...EHLO, ...manner };
      assert.equal(await visit.send(sender, ['joe@mute.example'], 'Subject: x\r\n\r\n'), '250 2.0.0');
      const { origin } = house.spool.mails.at(-1)?.entries[0] ?? {};
      return origin?.kind === 'received' ? origin.sends : 'no origin';
    };
    assert.equal(await sends('joe@acme.example', courier('acme')), 'acme');
    assert.equal(await sends('alice@listed.example', courier('listed')), 'listed');
    assert.equal(await sends('a@sender.example', courier('acme')), undefined);
    assert.equal(await sends('joe@acme.example', {}), undefined);
  });

  test("a courier's mail says so in Received, without an address", async () => {
    const visit = new Visit(house.receiver(peerAt('leaf')));
    visit.manner = { helo: 'leaf', esmtp: false, ...courier('acme') };
    await visit.send('joe@acme.example', ['joe@mute.example'], 'Subject: x\r\n\r\n');
    const head = house.spool.mails.at(-1)?.head.replace(/\s+/g, ' ') ?? '';
    assert.match(
      head,
      /^Received: from leaf by mx2\.restante\.example \(Restante \S{4}\) with UUCP id m\d+ for <joe@mute\.example>; /,
    );
  });

  test('what a courier gives back is a loop of its site', async () => {
    const visit = new Visit(house.receiver(peerAt('leaf')));
    visit.manner = { helo: 'leaf', esmtp: false, ...courier('acme') };
    await visit.send('a@sender.example', ['joe@acme.example'], 'Subject: x\r\n\r\n');
    const head = house.spool.mails.at(-1)?.head ?? '';
    assert.equal(
      await visit.send('a@sender.example', ['joe@acme.example'], `${head}Subject: x\r\n\r\n`),
      '451 4.4.6',
    );
  });
});
