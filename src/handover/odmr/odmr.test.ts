/** The line over a turned connection: the caller is the server now. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { afterEach, describe, test } from 'node:test';
import type { FakeOptions, FakePrimary } from '../../../test/support/fake-primary.ts';
import { cleanUp, primary } from '../../../test/support/lines.ts';
import { SystemClock } from '../../base/clock.ts';
import { silent } from '../../base/log.ts';
import { turnedLine } from './odmr.ts';

afterEach(cleanUp);

async function turned(
  options: FakeOptions = {},
): Promise<{ fake: FakePrimary; line: ReturnType<typeof turnedLine> }> {
  const fake = await primary(options);
  const socket = connect(fake.port, '127.0.0.1');
  socket.pause();
  await once(socket, 'connect');
  return { fake, line: open(Promise.resolve(socket)) };
}

const open = (stream: Parameters<typeof turnedLine>[0]['stream'], signal = new AbortController().signal) =>
  turnedLine(
    { hostname: 'mx2.test', address: '192.0.2.7', stream, clock: new SystemClock(), log: silent },
    signal,
  );

describe('a turned connection', () => {
  test('is greeted by the site, says EHLO, never STARTTLS, and ends with QUIT', async () => {
    const { fake, line } = await turned({ keywords: ['PIPELINING', 'STARTTLS', 'AUTH PLAIN'] });
    const opened = await line;
    assert.ok(opened.kind === 'line', JSON.stringify(opened));
    assert.deepEqual([opened.host, opened.best], ['[192.0.2.7]', true]);
    await opened.close();
    assert.deepEqual(fake.commands, ['EHLO mx2.test', 'QUIT']);
  });

  test('that broke before the roles turned is trouble, and names the caller', async () => {
    const trouble = await open(Promise.resolve(null));
    assert.ok(trouble.kind === 'trouble');
    assert.match(trouble.text, /^\[192\.0\.2\.7\]: it hung up at the turn$/);
  });

  for (const [station, act] of [
    ['greeting', '554 no mail here'],
    ['greeting', 'close'],
    ['ehlo', '451 not now'],
  ] as const) {
    test(`whose ${station} is "${act}" is trouble of the site`, async () => {
      const { line } = await turned({
        script: (at) => (at === station || (station === 'ehlo' && at === 'helo') ? act : undefined),
      });
      const trouble = await line;
      assert.ok(trouble.kind === 'trouble', trouble.kind);
      assert.match(trouble.text, /192\.0\.2\.7/);
    });
  }
});
