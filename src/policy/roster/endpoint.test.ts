import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { generate } from 'selfsigned';
import { type Line, listLog } from '../../../test/scenario/receive-harness.ts';
import { SimClock } from '../../../test/support/sim-clock.ts';
import { HOUR, MINUTE } from '../../base/clock.ts';
import { RecipientEndpoint } from './endpoint.ts';
import { httpsGet } from './get.ts';
import { nameOf } from './names.ts';

/** Text of `count` addresses. */
const users = (count: number): string =>
  Array.from({ length: count }, (_, i) => `u${i}@a.example\n`).join('');

describe('a list from an HTTPS server', () => {
  let server: Server;
  let cert = '';
  let text = '';
  let etag = '"1"';
  let status = 200;
  let hang = false;
  const asked: { authorization?: string; since?: string }[] = [];
  let folder = '';
  let clock: SimClock;
  let lines: Line[];
  let endpoint: RecipientEndpoint;

  before(async () => {
    const pair = await generate([{ name: 'commonName', value: 'localhost' }], {
      keySize: 2048,
      extensions: [{ name: 'subjectAltName', altNames: [{ type: 2, value: 'localhost' }] }],
    });
    cert = pair.cert;
    server = createServer({ key: pair.private, cert }, (request, response) => {
      const { authorization, 'if-none-match': since } = request.headers;
      asked.push({ ...(authorization && { authorization }), ...(since && { since }) });
      if (hang) return;
      const same = since === etag;
      response.writeHead(same && status === 200 ? 304 : status, { etag });
      response.end(same ? undefined : text);
    });
    await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve));
  });
  after(() => {
    server.closeAllConnections();
    server.close();
  });

  const make = () => {
    const { port } = server.address() as AddressInfo;
    const where = {
      kind: 'http',
      url: `https://localhost:${port}/list`,
      token: 'sesame',
      every: HOUR,
    } as const;
    const means = { clock, log: listLog(lines), random: () => 0.5, get: httpsGet([cert]) };
    return new RecipientEndpoint(where, join(folder, 'rosters', 'copy'), means);
  };
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'endpoint-'));
    clock = new SimClock();
    lines = [];
    asked.length = 0;
    [text, etag, status, hang] = [users(10), '"1"', 200, false];
    endpoint = make();
  });
  afterEach(async () => {
    endpoint.stop();
    await rm(folder, { recursive: true });
  });

  /** Real sockets: until the next look is done. */
  const looked = async (before: number | null = endpoint.view().looked) => {
    while (endpoint.view().looked === before) await new Promise((resolve) => setTimeout(resolve, 2));
  };
  /** Until the next look begins, and is done. */
  const later = async () => {
    const { alarm, looked: before } = endpoint.view();
    await clock.advance((alarm === null ? HOUR : 5 * MINUTE) * 0.95 + 1);
    await looked(before);
  };
  const look = (who: string) => endpoint.current()?.lookup(nameOf(who, '+'));
  const alarms = () => lines.filter((l) => l.level === 'error').map((l) => String(l.fields.why));

  test('is fetched with its token, asked for by its ETag, and taken when it changed', async () => {
    endpoint.start();
    await looked();
    assert.equal(look('u9@a.example'), 'listed');
    assert.equal(look('u10@a.example'), 'absent');
    await later();
    assert.deepEqual(asked, [
      { authorization: 'Bearer sesame' },
      { authorization: 'Bearer sesame', since: '"1"' },
    ]);
    [text, etag] = [users(11), '"2"'];
    await later();
    assert.equal(look('u10@a.example'), 'listed');
    assert.deepEqual(alarms(), []);
  });

  test('that lost more than half is not taken until somebody says so; one that lost half is', async () => {
    endpoint.start();
    await looked();
    [text, etag] = [users(4), '"2"'];
    await later();
    await later();
    assert.equal(look('u9@a.example'), 'listed', 'the last good copy stays');
    assert.equal(alarms().length, 1, 'one alarm');
    assert.match(endpoint.view().alarm ?? '', /lost more than half: 4 recipients, after 10/);
    const before = endpoint.view().looked;
    await clock.advance(1000);
    endpoint.forget();
    await looked(before);
    assert.equal(endpoint.view().recipients, 4);
    [text, etag] = [users(2), '"3"'];
    await later();
    assert.equal(endpoint.view().recipients, 2);
    assert.equal(endpoint.view().alarm, null);
  });

  test('that is empty, refused or in trouble keeps its last good copy, and is asked for again in five minutes', async () => {
    endpoint.start();
    await looked();
    for (const [what, why] of [
      ['empty', /no address/],
      ['500', /answers 500/],
    ] as const) {
      [text, etag, status] = ['', '"2"', what === '500' ? 500 : 200];
      await later();
      assert.match(alarms().at(-1) ?? '', why);
      assert.equal(look('u9@a.example'), 'listed');
    }
    [text, status] = [users(12), 200];
    await later();
    assert.equal(endpoint.view().alarm, null);
    assert.equal(look('u11@a.example'), 'listed');
  });

  test('is there after a restart without its server, with its ETag', async () => {
    endpoint.start();
    await looked();
    endpoint.stop();
    status = 503;
    endpoint = make();
    endpoint.start();
    await looked();
    assert.equal(look('u9@a.example'), 'listed');
    assert.equal(look('ann@a.example'), 'absent');
    assert.equal(asked.at(-1)?.since, '"1"');
  });

  test('that does not answer is given up after two minutes; without a copy nobody can be looked up', async () => {
    hang = true;
    endpoint.start();
    while (asked.length === 0) await new Promise((resolve) => setTimeout(resolve, 2));
    await clock.advance(2 * MINUTE);
    await looked(null);
    assert.equal(endpoint.current(), undefined);
    assert.equal(alarms().length, 1);
  });
});
