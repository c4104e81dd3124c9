import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, statSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import { SimClock } from '../../../test/support/sim-clock.ts';
import { HOUR } from '../../base/clock.ts';
import * as contract from './contract.ts';
import { type Fake, fakeConfig, fakeEntry, fakeList, fakeRunning, fakeView } from './fake.ts';
import { type Control, startControl } from './server.ts';

const spool = mkdtempSync(join(tmpdir(), 'control-'));
const clock = new SimClock();
const NOW = clock.now();

function ask(
  method: string,
  path: string,
  body?: unknown,
): Promise<{ status: number; text: string; json(): unknown }> {
  return new Promise((resolve, reject) => {
    const req = request({ socketPath: join(spool, 'control'), method, path }, async (response) => {
      let text = '';
      for await (const chunk of response) text += chunk;
      resolve({ status: response.statusCode ?? 0, text, json: () => JSON.parse(text) });
    });
    req.once('error', reject);
    req.end(typeof body === 'string' ? body : body && JSON.stringify(body));
  });
}

describe('control API', () => {
  let control: Control;
  let fake: Fake;
  before(async () => {
    fake = fakeRunning(
      fakeConfig(spool, '{ acme: { domains: [acme.example] }, zoo: { domains: [zoo.example] } }'),
      clock,
    );
    const started = await startControl(fake, spool);
    assert.equal(started.kind, 'control');
    if (started.kind === 'control') control = started;
  });
  after(() => control.close());
  beforeEach(() => {
    fake.asked.length = fake.logged.length = 0;
    fake.entries.clear();
    fake.views.clear();
    fake.lists.length = 0;
    fake.views.set(
      'acme',
      fakeView('acme', { state: 'down', reason: 'connect: refused', nextProbe: NOW + 5000 }),
    );
    const add = (entry: ReturnType<typeof fakeEntry>) =>
      fake.entries.set(entry.id, { entry, content: 'Subject: x\r\n\r\nbody\r\n' });
    add(fakeEntry('m1', 'acme', NOW - 3 * HOUR));
    add(fakeEntry('m2', 'acme', NOW - 2 * HOUR, { attempts: 2, nextTry: NOW + 1000 }));
    add(
      fakeEntry('m3', 'zoo', NOW - HOUR, { hold: { kind: 'undeliverable', reason: '550 no', since: NOW } }),
    );
    add(fakeEntry('n1', '>example.org', NOW));
  });

  test('the socket is for its own user alone', () => {
    assert.equal(statSync(join(spool, 'control')).mode & 0o777, 0o600);
  });

  test('a second server at the same spool is told so, and a socket that was left behind is replaced', async () => {
    const second = await startControl(fake, spool);
    assert.equal(second.kind, 'failed');
    assert.equal((await ask('GET', '/status')).status, 200);
    const other = mkdtempSync(join(tmpdir(), 'control-'));
    writeFileSync(join(other, 'control'), '');
    const third = await startControl(fake, other);
    assert.equal(third.kind, 'control');
    if (third.kind === 'control') await third.close();
  });

  test('a path too long for a socket is said, not tried', async () => {
    const deep = join(spool, 'x'.repeat(100));
    mkdirSync(deep);
    const started = await startControl(fake, deep);
    assert.match(started.kind === 'failed' ? started.why : '', /longer than 107 octets/);
  });

  test('status follows the contract: sites of the configuration, and all other queues apart', async () => {
    const status = contract.Status.parse((await ask('GET', '/status')).json());
    assert.deepEqual(
      status.sites.map((s) => [s.site, s.state, s.queued]),
      [
        ['acme', 'down', 2],
        ['zoo', 'idle', 1],
      ],
    );
    assert.deepEqual(
      status.others.map((q) => [q.queue, q.queued]),
      [
        ['>example.org', 1],
        ['operator', 0],
      ],
    );
    assert.equal(status.uptime, 3_720_000);
    assert.equal(status.sites[0]?.oldest, new Date(NOW - 3 * HOUR).toISOString());
  });

  test('status has blocklists, with what is wrong with them', async () => {
    fake.lists.push(
      fakeList({ state: 'aside', reason: 'lists everything: 127.0.0.1 is there', tested: NOW }),
    );
    const [list] = contract.Status.parse((await ask('GET', '/status')).json()).blocklists;
    assert.deepEqual(
      [list?.zone, list?.state, list?.reason, list?.tested],
      ['zen.example.org', 'aside', 'lists everything: 127.0.0.1 is there', new Date(NOW).toISOString()],
    );
  });

  test('sites are listed and shown; a queue that is no site can be shown, an unknown one cannot', async () => {
    const sites = contract.SiteRow.array().parse((await ask('GET', '/sites')).json());
    assert.deepEqual(
      sites.map((s) => s.site),
      ['acme', 'zoo'],
    );
    const acme = contract.SiteView.parse((await ask('GET', '/sites/acme')).json());
    assert.deepEqual(acme.domains, ['acme.example']);
    const foreign = contract.SiteView.parse((await ask('GET', '/sites/%3Eexample.org')).json());
    assert.equal(foreign.domains, undefined);
    const none = await ask('GET', '/sites/nobody');
    assert.equal(none.status, 404);
    assert.deepEqual(none.json(), { error: 'there is no site "nobody"' });
  });

  test('a site is flushed, held with reason and end, and released', async () => {
    assert.equal((await ask('POST', '/sites/acme/flush', {})).status, 200);
    const until = new Date(NOW + HOUR).toISOString();
    assert.equal((await ask('POST', '/sites/acme/hold', { reason: 'moving', until })).status, 200);
    assert.equal((await ask('POST', '/sites/acme/release', {})).status, 200);
    assert.deepEqual(fake.asked, [
      'keeper flush acme',
      `keeper hold acme moving ${NOW + HOUR}`,
      'keeper release acme',
    ]);
  });

  test('what cannot be done is told apart: asked wrongly, not now, not there', async () => {
    assert.equal((await ask('POST', '/sites/acme/hold', {})).status, 400);
    assert.equal((await ask('POST', '/sites/acme/hold', { reason: 'x', until: '2001-01-01' })).status, 400);
    assert.equal((await ask('POST', '/sites/acme/hold', '{ no json')).status, 400);
    fake.views.set('acme', fakeView('acme', { state: 'held' }));
    const held = await ask('POST', '/sites/acme/flush', {});
    assert.deepEqual([held.status, held.json()], [409, { error: 'acme is held: release it first' }]);
    assert.equal((await ask('POST', '/sites/nobody/flush', {})).status, 404);
    assert.equal((await ask('GET', '/sites/acme/flush')).status, 404);
    assert.equal((await ask('GET', '/../../etc/passwd')).status, 404);
  });

  const list = async (page: object) => {
    const { status, text } = await ask('GET', `/queue?select=${encodeURIComponent(JSON.stringify(page))}`);
    assert.equal(status, 200, text);
    return text
      .split('\n')
      .filter(Boolean)
      .map((line) => contract.EntryRow.parse(JSON.parse(line)));
  };

  test('entries come a line each, selected by all that is said', async () => {
    assert.deepEqual(
      (await list({})).map((e) => [e.id, e.state]),
      [
        ['m1', 'queued'],
        ['m2', 'deferred'],
        ['m3', 'undeliverable'],
        ['n1', 'queued'],
      ],
    );
    assert.deepEqual(
      (await list({ site: 'acme', state: 'deferred' })).map((e) => e.id),
      ['m2'],
    );
    assert.deepEqual(
      (await list({ older: 1.5 * HOUR })).map((e) => e.id),
      ['m1', 'm2'],
    );
    assert.deepEqual(
      (await list({ after: 'm1', limit: 2 })).map((e) => e.id),
      ['m2', 'm3'],
    );
  });

  test('a selection with an unknown word is refused: a slip must not mean more', async () => {
    const { status } = await ask('GET', `/queue?select=${encodeURIComponent('{"sites":"acme"}')}`);
    assert.equal(status, 400);
    assert.equal((await ask('GET', '/queue?select=oops')).status, 400);
    assert.equal((await ask('POST', '/queue/remove', { which: { sites: 'acme' }, by: 'me' })).status, 400);
  });

  test('one entry is shown with its header, and its octets are given as they are', async () => {
    const view = contract.EntryView.parse((await ask('GET', '/queue/m2')).json());
    assert.equal(view.header, 'Subject: x\r\n');
    assert.equal(view.origin, '192.0.2.1 (mail.example.org) by ESMTPS');
    assert.deepEqual([view.authentication, view.marks], [null, []]);
    assert.equal((await ask('GET', '/queue/m2/content')).text, 'Subject: x\r\n\r\nbody\r\n');
    assert.equal((await ask('GET', '/queue/m9')).status, 404);
    assert.equal((await ask('GET', '/queue/m9/content')).status, 404);
  });

  test('acts on entries say how many, are logged by mail, and never mean all by accident', async () => {
    const removed = await ask('POST', '/queue/remove', { which: { site: 'acme' }, by: 'ann' });
    assert.deepEqual(contract.Acted.parse(removed.json()), { applied: 2 });
    assert.deepEqual(fake.asked, ['spool remove m1 m2']);
    assert.deepEqual(fake.logged, [
      ['mail removed', { mail: 'm1', entry: 'm1', by: 'ann' }],
      ['mail removed', { mail: 'm2', entry: 'm2', by: 'ann' }],
    ]);
    assert.equal((await ask('POST', '/queue/remove', { which: {}, by: 'ann' })).status, 400);
    assert.equal((await ask('POST', '/queue/remove', { which: { ids: ['m3'] } })).status, 400);
    assert.equal((await ask('POST', '/queue/destroy', { which: { ids: ['m3'] } })).status, 404);
    assert.equal(fake.entries.size, 2);
  });

  test('flushing entries wakes the keepers of their queues', async () => {
    assert.deepEqual((await ask('POST', '/queue/flush', { which: {}, all: true })).json(), { applied: 4 });
    assert.deepEqual(fake.asked, [
      'spool hasten m1 m2 m3 n1',
      'keeper flush acme',
      'keeper flush zoo',
      'keeper flush >example.org',
    ]);
  });

  test('a reload tells its result, or what is wrong with the file', async () => {
    fake.reloaded = { kind: 'ok', moved: 3, held: 1 };
    assert.deepEqual(contract.Reload.parse((await ask('POST', '/reload', {})).json()), { moved: 3, held: 1 });
    fake.reloaded = { kind: 'bad', problems: [{ file: '/f', line: 2, column: 3, text: 'no' }] };
    const bad = await ask('POST', '/reload', {});
    assert.deepEqual([bad.status, bad.json()], [409, { error: '/f:2:3: no' }]);
  });

  test('a fault is a 500 that shows nothing of the inside', async () => {
    const summary = fake.spool.summary;
    fake.spool.summary = () => {
      throw new Error('secret inside');
    };
    const { status, text } = await ask('GET', '/status');
    fake.spool.summary = summary;
    assert.equal(status, 500);
    assert.ok(!text.includes('secret'));
  });
});
