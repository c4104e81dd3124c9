import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, beforeEach, describe, test } from 'node:test';
import fc from 'fast-check';
import { type Line, listLog } from '../../test/scenario/receive-harness.ts';
import { cheapSecret } from '../../test/support/auth-world.ts';
import { SimClock } from '../../test/support/sim-clock.ts';
import { MINUTE, SECOND } from '../base/clock.ts';
import { parseSecrets, renderSecrets } from './format.ts';
import { Sealer } from './seal.ts';
import { type Change, changeSecrets, keyPath, readSecrets, SecretStore } from './store.ts';

const folder = fs.mkdtempSync(join(tmpdir(), 'secrets-'));
const path = join(folder, 'secrets');
const acme = await cheapSecret('acme', 'open sesame');
const other = await cheapSecret('other', 'open sesame');
const change = (what: Change, now = Date.now()) => changeSecrets(path, what, randomBytes, now);
const modeOf = (name: string) => fs.statSync(name).mode & 0o777;

after(() => fs.rmSync(folder, { recursive: true }));
beforeEach(() => {
  for (const name of fs.readdirSync(folder)) fs.rmSync(join(folder, name), { recursive: true });
});

describe('the secrets file', () => {
  test('is written and read as it was, open to nobody else, with nothing left beside it', () => {
    change({ set: acme });
    change({ set: other, password: 'open sesame' });
    assert.deepEqual(fs.readdirSync(folder).sort(), ['secrets', 'secrets.key']);
    assert.equal(modeOf(path), 0o600);
    assert.equal(modeOf(keyPath(path)), 0o600);
    const read = readSecrets(path);
    assert.ok(read.kind === 'ok');
    assert.deepEqual(read.kept.secrets.get('acme'), acme);
    assert.equal(read.kept.secrets.get('other')?.sealed?.length, 12 + 11 + 16);
    assert.ok(!fs.readFileSync(path, 'utf8').includes('sesame'));
  });

  test('its decoy key and its seal key outlive each change', () => {
    change({ set: acme, password: 'one' });
    const [decoys, key] = [fs.readFileSync(path, 'utf8').split('\n')[0], fs.readFileSync(keyPath(path))];
    change({ set: other, password: 'two' });
    assert.ok(change({ remove: 'acme' }));
    assert.equal(change({ remove: 'acme' }), false);
    assert.equal(fs.readFileSync(path, 'utf8').split('\n')[0], decoys);
    assert.deepEqual(fs.readFileSync(keyPath(path)), key);
  });

  test('of two changes at once one waits; what a crash left behind does not stop the next', () => {
    const now = Date.now();
    fs.writeFileSync(`${path}.lock`, '');
    fs.writeFileSync(`${path}.new`, 'half');
    assert.throws(() => change({ set: acme }, now), /another command/);
    change({ set: acme }, now + 2 * MINUTE);
    assert.deepEqual(fs.readdirSync(folder), ['secrets']);
  });

  test('a damaged one is never written over', () => {
    fs.writeFileSync(path, 'damaged', { mode: 0o600 });
    assert.throws(() => change({ set: acme }), /cannot be used/);
    assert.equal(fs.readFileSync(path, 'utf8'), 'damaged');
    assert.deepEqual(fs.readdirSync(folder), ['secrets']);
  });

  test('octets of any kind are no secrets, and no fault', () => {
    const good = renderSecrets({ decoyKey: randomBytes(32), secrets: new Map([['acme', acme]]) });
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.nat(good.length - 1), (text, at) => {
        assert.equal(parseSecrets(text).kind, 'bad');
        const changed = parseSecrets(good.slice(0, at) + text + good.slice(at));
        assert.ok(changed.kind === 'bad' || changed.kept.secrets.size <= 1 + text.length);
        assert.equal(parseSecrets(good.slice(0, at)).kind, at === good.indexOf('\n') + 1 ? 'ok' : 'bad');
      }),
    );
  });

  test('costs that would use up memory or time are damage', () => {
    const text = renderSecrets({ decoyKey: randomBytes(32), secrets: new Map([['acme', acme]]) });
    for (const [from, to] of [
      ['ln=10', 'ln=30'],
      ['r=8', 'r=99'],
      ['p=1', 'p=0'],
      ['$4096:', '$1000:'],
    ] as const) {
      assert.equal(parseSecrets(text.replace(from, to)).kind, 'bad', to);
    }
  });
});

describe('the server sees', () => {
  const clock = new SimClock();
  const lines: Line[] = [];
  const open = () => new SecretStore({ path: () => path, random: randomBytes, clock, log: listLog(lines) });
  const events = () => lines.splice(0).map((line) => `${line.level} ${line.event}`);
  beforeEach(() => void lines.splice(0));

  test('no secrets where there is no file, and says nothing', () => {
    assert.equal(open().current().secrets.size, 0);
    assert.deepEqual(events(), []);
  });

  test('a change within a second, and looks no more often', async () => {
    change({ set: acme });
    const store = open();
    assert.deepEqual([...store.current().secrets.keys()], ['acme']);
    change({ set: other });
    assert.equal(store.current().secrets.size, 1);
    await clock.advance(SECOND);
    assert.equal(store.current().secrets.size, 2);
    fs.rmSync(path);
    await clock.advance(SECOND);
    assert.equal(store.current().secrets.size, 0);
  });

  test('the last good copy while the file is damaged or open to others, and says so once', async () => {
    change({ set: acme });
    const store = open();
    store.current();
    events();
    fs.chmodSync(path, 0o644);
    for (let i = 0; i < 3; i++) {
      await clock.advance(SECOND);
      assert.equal(store.current().secrets.size, 1);
    }
    assert.deepEqual(events(), ['error secrets unusable']);
    fs.chmodSync(path, 0o600);
    await clock.advance(SECOND);
    store.current();
    assert.deepEqual(events(), ['info secrets read']);
    fs.truncateSync(path, 60);
    await clock.advance(SECOND);
    assert.equal(store.current().secrets.size, 1);
    assert.deepEqual(events(), ['error secrets unusable']);
  });

  test('nothing at all in a file that others can read', () => {
    change({ set: acme });
    fs.chmodSync(path, 0o640);
    assert.equal(open().current().secrets.size, 0);
  });

  test('CRAM-MD5 only with a sealed password and its key', async () => {
    change({ set: acme });
    const store = open();
    assert.equal(store.current().recoverable, false);
    change({ set: acme, password: 'open sesame' });
    await clock.advance(SECOND);
    const { recoverable, sealer, secrets } = store.current();
    assert.ok(recoverable);
    assert.equal(String(sealer.open('acme', secrets.get('acme')?.sealed ?? Buffer.alloc(0))), 'open sesame');
    fs.rmSync(keyPath(path));
    await clock.advance(SECOND);
    assert.equal(store.current().recoverable, false);
    assert.equal(store.current().secrets.size, 1);
  });
});

test('a sealed password opens by its key, for its name, unchanged, and in no other way', () => {
  const key = randomBytes(32);
  const sealer = new Sealer(key, randomBytes);
  const sealed = sealer.seal('acme', 'open sesame');
  assert.equal(String(new Sealer(key, randomBytes).open('acme', sealed)), 'open sesame');
  assert.equal(sealer.open('other', sealed), null);
  assert.equal(new Sealer(randomBytes(32), randomBytes).open('acme', sealed), null);
  for (let i = 0; i < sealed.length; i++) {
    const flipped = Buffer.from(sealed);
    flipped[i] = (flipped[i] ?? 0) ^ 1;
    assert.equal(sealer.open('acme', flipped), null);
  }
  assert.equal(sealer.open('acme', Buffer.alloc(5)), null);
});
