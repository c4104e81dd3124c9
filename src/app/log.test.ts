import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SimClock } from '../../test/support/sim-clock.ts';
import { makeLog } from './log.ts';

function setup(level: 'debug' | 'info' | 'warn' | 'error') {
  const shown: string[] = [];
  const kept: string[] = [];
  const logging = makeLog(level, new SimClock(0), { write: (line) => void shown.push(line), flush() {} });
  logging.tee({ write: (line) => void kept.push(line) });
  return { logging, shown, kept };
}

test('a line is JSON with level, time and event first told, then its fields', () => {
  const { logging, shown } = setup('info');
  logging.log.child({ site: 'acme' }).info('mail accepted', { mail: 'm1', size: 5 });
  assert.deepEqual(
    shown.map((line) => JSON.parse(line)),
    [
      {
        level: 'info',
        time: '1970-01-01T00:00:00.000Z',
        site: 'acme',
        mail: 'm1',
        size: 5,
        event: 'mail accepted',
      },
    ],
  );
  assert.ok(shown[0]?.endsWith('\n'));
});

test('lines of a mail reach the journal whatever the level shown, other lines never', () => {
  const { logging, shown, kept } = setup('error');
  logging.log.info('mail accepted', { mail: 'm1' });
  logging.log.info('connection', { peer: '192.0.2.1', helo: '"mail":"m1"' });
  logging.log.child({ mail: 'm1' }).warn('mail put off');
  logging.log.error('spool full');
  assert.deepEqual(
    kept.map((line) => JSON.parse(line).event),
    ['mail accepted', 'mail put off'],
  );
  assert.deepEqual(
    shown.map((line) => JSON.parse(line).event),
    ['spool full'],
  );
});

test('what is refused goes where refusals are kept, and nothing else', () => {
  const refusals: string[] = [];
  const logging = makeLog('error', new SimClock(0), { write() {}, flush() {} });
  logging.tee({ write() {} }, { write: (line) => void refusals.push(line) });
  logging.log.info('recipient refused', { recipient: 'joe@acme.example' });
  logging.log.info('connection', { helo: '"event":"recipient refused"}' });
  logging.log.info('mail refused', { sender: 'joe@acme.example' });
  assert.deepEqual(
    refusals.map((line) => JSON.parse(line).event),
    ['recipient refused', 'mail refused'],
  );
});

test('a new level holds for children that were made before', () => {
  const { logging, shown } = setup('warn');
  const child = logging.log.child({ site: 'a' });
  child.debug('one');
  child.info('two');
  logging.setLevel('debug');
  child.debug('three');
  assert.deepEqual(
    shown.map((line) => JSON.parse(line).event),
    ['three'],
  );
});
