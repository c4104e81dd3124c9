import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import { SimClock } from '../../../test/support/sim-clock.ts';
import { DAY, HOUR } from '../../base/clock.ts';
import { type Fake, fakeConfig, fakeEntry, fakeList, fakeRunning, fakeView } from '../../operate/api/fake.ts';
import { type Control, startControl } from '../../operate/api/server.ts';
import { Journal } from '../../operate/journal.ts';
import { run } from './program.ts';
import type { Terminal } from './terminal.ts';

const folder = mkdtempSync(join(tmpdir(), 'cli-'));
const FILE = join(folder, 'restante.yaml');
writeFileSync(FILE, `hostname: mx2.example.net\nspool: .\nsites: { acme: { domains: [acme.example] } }\n`);
const clock = new SimClock();
const NOW = clock.now();

interface Done {
  exit: number;
  out: string;
  err: string;
}

/** Runs `restante …` with the configuration above. */
async function restante(line: string, more: Partial<Terminal> = {}, file = FILE): Promise<Done> {
  const done: Done = { exit: 0, out: '', err: '' };
  const terminal: Terminal = {
    out: (text) => void (done.out += typeof text === 'string' ? text : Buffer.from(text).toString()),
    err: (text) => void (done.err += text),
    tty: false,
    columns: 80,
    colour: false,
    now: () => NOW,
    drained: async () => {},
    ...more,
  };
  done.exit = await run(
    { terminal, env: { RESTANTE_CONFIG: file }, version: '1.2.3' },
    line.split(' ').filter(Boolean),
  );
  return done;
}

describe('command line', () => {
  let fake: Fake;
  let control: Control;
  before(async () => {
    const sites =
      '{ acme: { domains: [acme.example], primary: "[2001:db8::1]:26" }, longname: { domains: [b.example] } }';
    fake = fakeRunning(fakeConfig(folder, sites), clock);
    const started = await startControl(fake, folder);
    assert.ok(started.kind === 'control');
    control = started;
  });
  after(() => control.close());
  beforeEach(() => {
    fake.asked.length = 0;
    fake.entries.clear();
    fake.views.clear();
    const nextProbe = NOW + 42_000;
    fake.views.set(
      'acme',
      fakeView('acme', { state: 'down', reason: 'connection refused', nextProbe, since: NOW - HOUR }),
    );
    const add = (entry: ReturnType<typeof fakeEntry>) =>
      fake.entries.set(entry.id, { entry, content: 'Subject: x\r\n\r\nbody\r\n' });
    add(fakeEntry('m1', 'acme', NOW - 3 * DAY - 4 * HOUR, { size: 1_234_567 }));
    const envelope = {
      sender: '',
      recipients: [{ address: 'a@acme.example' }, { address: 'b@acme.example' }],
      body: '8bitmime' as const,
      smtputf8: false,
    };
    add(fakeEntry('m22', 'acme', NOW - 90_000, { envelope, attempts: 1, nextTry: NOW + 1000 }));
    add(fakeEntry('m3', 'operator', NOW));
  });

  test('status shows server, spool, sites and other queues in columns that line up', async () => {
    const { out, exit } = await restante('status');
    assert.equal(exit, 0);
    assert.equal(
      out.replace(`process ${process.pid}`, 'process 1').replaceAll(folder, '/spool'),
      [
        'server   restante 1.2.3 at mx2.example.net, up 1h 2m, process 1',
        'listens  smtp 127.0.0.1:2525',
        'spool    ok, 3 mails, 1.2 kB, room for 5.0 GB: /spool',
        '',
        'SITE      STATE  QUEUED    SIZE  OLDEST  RATE  LEFT  NOTE',
        'acme      down        2  1.2 MB   3d 4h     -     -  connection refused; next probe in 42s',
        'longname  idle        0     0 B       -     -     -',
        '',
        'OTHER QUEUE  STATE  QUEUED   SIZE  OLDEST  RATE  LEFT  NOTE',
        'operator     idle        1  100 B      0s     -     -',
        '',
      ].join('\n'),
    );
  });

  test('status shows blocklists, if there are any', async () => {
    fake.lists.push(
      fakeList({}),
      fakeList({
        zone: 'dead.example',
        use: 'allow',
        state: 'aside',
        reason: 'does not answer: timeout',
        timeouts: 5,
        refused: 2,
      }),
    );
    const { out } = await restante('status');
    fake.lists.length = 0;
    assert.deepEqual(out.split('\n').slice(-4, -1), [
      'LIST             KIND            STATE  ASKED  HITS  TIMEOUTS  NOTE',
      'zen.example.org  address         good      12     3         0',
      'dead.example     allow: address  aside     12     3         5  2 refused; does not answer: timeout',
    ]);
  });

  test('on a terminal a line is never wider than that, and states have colour', async () => {
    fake.views.set('acme', fakeView('acme', { state: 'down', reason: 'a very long story '.repeat(20) }));
    const { out } = await restante('site list', { tty: true, columns: 70, colour: true });
    assert.match(out, /\x1b\[31mdown/);
    for (const line of out.split('\n')) assert.ok(line.replace(/\x1b\[\d+m/g, '').length <= 70, line);
    assert.match(out, /a very/);
  });

  test('site list --json has what scripts rely on, sites only', async () => {
    const sites = JSON.parse((await restante('site list --json')).out);
    assert.deepEqual(
      sites.map((s: Record<string, unknown>) => [s.site, s.state, s.queued, s.oldest]),
      [
        ['acme', 'down', 2, new Date(NOW - 3 * DAY - 4 * HOUR).toISOString()],
        ['longname', 'idle', 0, null],
      ],
    );
  });

  test('site show tells state and configuration', async () => {
    const { out } = await restante('site show acme');
    assert.match(out, /^state {7}down, for 1h$/m);
    assert.match(out, /^queued {6}2 mails, 1\.2 MB; 1 deferred, 0 held$/m);
    assert.match(out, /^primary {5}\[2001:db8::1\]:26 \(TLS: may\), at most 10 connections$/m);
    assert.match(out, /^warn {8}4h, 4d$/m);
  });

  test('site hold takes a reason and an end; release and flush reach the keeper', async () => {
    assert.equal((await restante('site hold acme --reason moving --for 2h')).exit, 0);
    assert.equal((await restante('site hold acme')).exit, 0);
    assert.equal((await restante('site release acme')).exit, 0);
    assert.equal((await restante('site flush acme')).out, 'acme: 2 mails to be tried now\n');
    assert.equal(fake.asked[0], `keeper hold acme moving ${NOW + 2 * HOUR}`);
    assert.match(fake.asked[1] ?? '', /^keeper hold acme by \S+ null$/);
    assert.deepEqual(fake.asked.slice(2), ['keeper release acme', 'keeper flush acme']);
  });

  test('site flush --wait ends with 0 when the queue is empty, with 1 when it is held', async () => {
    fake.entries.clear();
    assert.deepEqual(await restante('site flush acme --wait'), {
      exit: 0,
      out: 'acme: all handed over\n',
      err: '',
    });
    fake.entries.set('m1', { entry: fakeEntry('m1', 'acme', NOW), content: '' });
    const { flush } = fake.keepers;
    fake.keepers.flush = () => {
      fake.views.set('acme', fakeView('acme', { state: 'held', reason: 'moving' }));
      return true;
    };
    const held = await restante('site flush acme --wait');
    fake.keepers.flush = flush;
    assert.deepEqual(held, { exit: 1, out: '', err: 'acme: held: moving; 1 mail left\n' });
  });

  test('queue list shows a mail a line', async () => {
    const { out } = await restante('queue list');
    assert.equal(
      out,
      [
        'ID   SITE      STATE        AGE    SIZE  SENDER           RECIPIENTS         NOTE',
        'm1   acme      queued     3d 4h  1.2 MB  ann@example.org  bob@acme.example',
        'm22  acme      deferred  1m 30s   100 B  <>               a@acme.example +1',
        'm3   operator  queued        0s   100 B  ann@example.org  bob@acme.example',
        '',
      ].join('\n'),
    );
  });

  test('queue list --json is a list of objects, empty when there is nothing', async () => {
    const [first, second] = JSON.parse((await restante('queue list --json --site acme')).out);
    assert.deepEqual(
      [first.id, first.site, first.sender, first.recipients, first.size, first.state],
      ['m1', 'acme', 'ann@example.org', ['bob@acme.example'], 1_234_567, 'queued'],
    );
    assert.equal(first.arrived, new Date(NOW - 3 * DAY - 4 * HOUR).toISOString());
    assert.equal(second.state, 'deferred');
    assert.deepEqual(JSON.parse((await restante('queue list --json --site longname')).out), []);
  });

  test('queue list of a site that is not known is an error, and not an empty list', async () => {
    assert.deepEqual(await restante('queue list --site acm'), {
      exit: 1,
      out: '',
      err: 'restante: there is no site "acm"\n',
    });
  });

  test('queue show tells envelope, outcomes and header', async () => {
    const { out } = await restante('queue show m22');
    assert.match(out, /^sender {3}<>$/m);
    assert.match(out, /^to {7}a@acme.example {2}pending$/m);
    assert.match(out, /^Subject: x$/m);
    assert.equal((await restante('queue show m9')).exit, 1);
  });

  test('acts on mails need a selection, and say how many', async () => {
    const none = await restante('queue remove');
    assert.equal(none.exit, 2);
    assert.match(none.err, /which mail\?/);
    assert.deepEqual(fake.asked, []);
    assert.equal((await restante('queue remove m1 --id m22')).out, '2 mails removed\n');
    assert.equal((await restante('queue hold --older 1s --all')).exit, 0);
    assert.deepEqual(await restante('queue release m9'), { exit: 1, out: '', err: 'no such mail\n' });
    assert.equal((await restante('queue flush --all --json')).out, '{\n  "applied": 1\n}\n');
  });

  test('queue export gives one mail as it is, and several to a folder with their envelopes', async () => {
    assert.equal((await restante('queue export m1')).out, 'Subject: x\r\n\r\nbody\r\n');
    assert.equal((await restante('queue export --site acme')).exit, 2);
    const to = join(folder, 'exported');
    assert.equal((await restante(`queue export --site acme -o ${to}`)).out, `2 mails written to ${to}\n`);
    assert.deepEqual(readdirSync(to).sort(), ['m1.eml', 'm1.json', 'm22.eml', 'm22.json']);
    assert.equal(readFileSync(join(to, 'm22.eml'), 'utf8'), 'Subject: x\r\n\r\nbody\r\n');
    assert.deepEqual(JSON.parse(readFileSync(join(to, 'm22.json'), 'utf8')).recipients, [
      'a@acme.example',
      'b@acme.example',
    ]);
  });

  test('queue export writes an mbox, and none over what is there', async () => {
    assert.match((await restante('queue export --all --format mbox')).err, /name it by -o/);
    const to = join(folder, 'exported.mbox');
    const command = `queue export --all --format mbox -o ${to}`;
    assert.equal((await restante(command)).out, `3 mails written to ${to}\n`);
    assert.equal(readFileSync(to, 'utf8').split('\nX-Envelope-To: ').length, 4);
    assert.equal((await restante(command)).exit, 2);
  });

  test('trace tells the life of a mail from the journal, and where it is now', async () => {
    const journal = new Journal(folder, clock);
    const line = { level: 'info', time: '2026-01-05T12:00:00.123Z', mail: 'm22' };
    const authentication = {
      spf: { result: 'fail', domain: 'x.example' },
      dkim: { result: 'pass', domains: ['x.example', 'y.example'] },
      arc: { result: 'none' },
    };
    journal.write(
      `${JSON.stringify({ ...line, size: 5, sender: '', queues: ['acme', 'b'], authentication, event: 'mail accepted' })}\n`,
    );
    journal.write(`${JSON.stringify({ ...line, reply: '451 try later', event: 'mail deferred' })}\n`);
    await journal.close();
    const { out, exit } = await restante('trace m22');
    assert.equal(exit, 0);
    assert.equal(
      out,
      [
        'TIME                     EVENT                 DETAILS',
        '2026-01-05 12:00:00.123  mail accepted         size=5 sender="" queues=acme,b authentication="spf=fail x.example, dkim=pass x.example y.example, arc=none"',
        '2026-01-05 12:00:00.123  mail deferred         reply="451 try later"',
        'now                      in the spool of acme  deferred',
        '',
      ].join('\n'),
    );
    assert.equal(JSON.parse((await restante('trace m22 --json')).out).length, 2);
    assert.deepEqual(await restante('trace m99'), {
      exit: 1,
      out: '',
      err: 'restante: nothing is known of "m99"\n',
    });
  });

  test('a reload shows what became of it, line by line', async () => {
    fake.reloaded = { kind: 'bad', problems: [{ file: '/f', line: 2, column: 3, text: 'no' }] };
    assert.deepEqual(await restante('reload'), { exit: 1, out: '', err: 'restante: /f:2:3: no\n' });
    fake.reloaded = { kind: 'ok', moved: 2, held: 1 };
    assert.match((await restante('reload')).out, /^reloaded: 2 mails moved .*, 1 mail held/);
  });

  test('check exits 0, or 2 with file, line and column', async () => {
    assert.equal((await restante('check')).exit, 0);
    const bad = join(folder, 'bad.yaml');
    writeFileSync(bad, 'hostname: mx2.example.net\nsites: { acme: { domain: [a.example] } }\n');
    const { exit, err } = await restante('check', {}, bad);
    assert.equal(exit, 2);
    assert.match(
      err,
      new RegExp(`^${bad}:2:18: sites.acme.domain: unknown key "domain": did you mean "domains"`, 'm'),
    );
    const { problems } = JSON.parse((await restante('check --json', {}, bad)).out);
    assert.equal(problems[1].line, 2);
  });

  test('check warns of what is hardly meant, with its place, and exits 0', async () => {
    const file = join(folder, 'odd.yaml');
    writeFileSync(
      file,
      'hostname: mx2.example.net\npeers: [10.0.0.0/8, 0.0.0.0/0]\nauth: { cleartext: ["::/0"] }\nsites:\n' +
        '  acme:\n    domains: [a.example]\n    collect: etrn\n    recipients: any\n    primary: 192.0.2.1\n' +
        '    send: { domains: [a.example], from: [32.0.0.0/4] }\n',
    );
    const { exit, out, err } = await restante('check', {}, file);
    assert.deepEqual([exit, /: good: 1 site/.test(out)], [0, true], err);
    const places = err
      .trimEnd()
      .split('\n')
      .map((line) => line.replace(/^.*\/odd\.yaml:/, '').slice(0, 50));
    assert.deepEqual(
      places,
      [
        '8:17: warning: sites.acme.recipients: any recipient is taken: by "collect',
        '2:8: warning: peers: 0.0.0.0/0 is a large part of the Internet',
        '3:20: warning: auth.cleartext: ::/0 is a large part of the Int',
        '10:41: warning: sites.acme.send.from: 32.0.0.0/4 is a large',
      ].map((line) => line.slice(0, 50)),
    );
    const json = JSON.parse((await restante('check --json', {}, file)).out);
    assert.deepEqual([json.ok, json.problems.length, json.warnings[0].line], [true, 0, 8]);
  });

  test('without a server: one line, and 1; with a file that is broken at other places it is found all the same', async () => {
    const other = join(mkdtempSync(join(tmpdir(), 'cli-')), 'r.yaml');
    writeFileSync(other, 'hostname: oops\nspool: here\n');
    const { exit, out, err } = await restante('status', {}, other);
    assert.deepEqual([exit, out], [1, '']);
    assert.match(err, /^restante: the server is not running: nothing answers at .*here\/control\n$/);
    assert.match((await restante('status', {}, '/nowhere/r.yaml')).err, /cannot be used: .*no such file/);
  });

  test('used wrongly is 2, help and version are 0', async () => {
    for (const line of [
      '',
      'stauts',
      'site',
      'site list extra',
      'queue list --nonsense',
      'trace',
      'site hold acme --for x',
    ]) {
      const { exit, err } = await restante(line);
      assert.equal(exit, 2, line);
      assert.notEqual(err, '', line);
    }
    assert.match((await restante('stauts')).err, /status/);
    assert.deepEqual(await restante('--version'), { exit: 0, out: '1.2.3\n', err: '' });
    assert.equal((await restante('queue --help')).exit, 0);
    assert.equal((await restante('top')).exit, 2);
  });

  test('a -c names the configuration for every command', async () => {
    const { exit, err } = await restante('status -c /nowhere/else.yaml');
    assert.equal(exit, 2);
    assert.match(err, /\/nowhere\/else.yaml/);
  });
});
