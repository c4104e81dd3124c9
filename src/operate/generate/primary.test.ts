import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { generatePrimary, type PrimaryGiven } from './primary.ts';

const GIVEN: PrimaryGiven = {
  site: {
    name: 'acme',
    domains: ['acme.example', '.acme.example'],
    collect: { kind: 'push' },
    passClient: 'none',
  },
  hostname: 'mx2.example.net',
  origin: { by: 'said', addresses: ['192.0.2.20', '2001:db8:25::20'] },
  helo: 'usual',
};

function made(program: string, given: Partial<PrimaryGiven> = {}): Map<string, string> {
  const bundle = generatePrimary({ ...GIVEN, ...given }, { for: program });
  if (bundle.kind !== 'ok') return assert.fail(bundle.why);
  return new Map(bundle.files.map(({ path, text }) => [path, text]));
}
const text = (files: Map<string, string>, path: string): string =>
  files.get(path) ?? assert.fail(`${path} is made`);
/** Its lines without comments and margins. */
const words = (content: string): string[] =>
  content
    .split('\n')
    .map((line) => line.trim().replace(/ +/g, ' '))
    .filter((line) => line !== '' && !line.startsWith('#'));
const passing = (passClient: PrimaryGiven['site']['passClient']): Partial<PrimaryGiven> => ({
  site: { ...GIVEN.site, passClient },
});

/** Runs trust.sh against a postconf that keeps one setting a file. Nothing else of Postfix is there. */
function run(
  files: Map<string, string>,
  before: Record<string, string>,
  ...words: string[]
): Record<string, string> {
  const folder = mkdtempSync(join(tmpdir(), 'trust-'));
  try {
    for (const [path, content] of files) writeFileSync(join(folder, path), content);
    const program = (name: string, body: string) =>
      writeFileSync(join(folder, name), `#!/bin/sh\nkept=${folder}/kept; mkdir -p $kept\n${body}`, {
        mode: 0o755,
      });
    program(
      'postconf',
      `case $1 in
        -h) [ "$2" = config_directory ] && { echo ${folder}/etc; exit; }; cat "$kept/$2" 2>/dev/null || "$0" -dh "$2" ;;
        -dh) [ "$2" = postscreen_access_list ] && echo permit_mynetworks || echo ;;
        -e) printf '%s\\n' "\${2#*= }" >"$kept/\${2%% =*}" ;;
        -X) rm "$kept/$2" ;;
      esac\n`,
    );
    program('postfix', '[ "$1" != status ]\n');
    const env = { ...process.env, PATH: `${folder}:${process.env.PATH ?? ''}` };
    execFileSync('mkdir', ['-p', join(folder, 'etc'), join(folder, 'kept')]);
    for (const [name, value] of Object.entries(before))
      writeFileSync(join(folder, 'kept', name), `${value}\n`);
    for (const word of words) execFileSync('sh', [join(folder, 'trust.sh'), word], { env, timeout: 20_000 });
    const all = execFileSync('sh', ['-c', `cd ${folder}/kept && grep -H '' * || true`], { encoding: 'utf8' });
    const rows = all
      .trim()
      .split('\n')
      .filter((line) => line !== '');
    return Object.fromEntries(
      rows.map((line) => [
        line.slice(0, line.indexOf(':')),
        line.slice(line.indexOf(':') + 1).replaceAll(folder, ''),
      ]),
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
}

describe('generate primary --for postfix', () => {
  const LIST = 'permit_mynetworks, reject_unauth_destination, check_policy_service unix:private/policyd-spf';
  const before = {
    smtpd_recipient_restrictions: LIST,
    smtpd_sender_restrictions: 'reject_unknown_sender_domain',
  };
  const LIMITS = {
    smtpd_client_event_limit_exceptions: '192.0.2.20, [2001:db8:25::20]',
    postscreen_access_list: 'cidr:/etc/mx2.example.net-postscreen.cidr, permit_mynetworks',
  };
  const EXEMPT = 'check_client_access cidr:/etc/mx2.example.net.cidr';

  test('exempts our addresses in front of what is there, once, and nowhere else', () => {
    const after = {
      ...LIMITS,
      smtpd_recipient_restrictions: `${EXEMPT}, ${LIST}`,
      smtpd_sender_restrictions: `${EXEMPT}, reject_unknown_sender_domain`,
    };
    assert.deepEqual(run(made('postfix'), before, 'apply'), after);
    assert.deepEqual(run(made('postfix'), before, 'apply', 'apply'), after);
  });

  test('undo leaves what was there, also between words that others put around it', () => {
    assert.deepEqual(run(made('postfix'), before, 'apply', 'undo'), before);
    assert.deepEqual(run(made('postfix'), before, 'undo'), before);
    const [a, b] = ['198.51.100.1', '198.51.100.2'];
    const among = { smtpd_client_event_limit_exceptions: `${a}, 192.0.2.20, [2001:db8:25::20], ${b}` };
    assert.deepEqual(run(made('postfix'), among, 'undo'), {
      smtpd_client_event_limit_exceptions: `${a}, ${b}`,
    });
    const last = { smtpd_client_event_limit_exceptions: `${a}, 192.0.2.20, [2001:db8:25::20]` };
    assert.deepEqual(run(made('postfix'), last, 'undo'), { smtpd_client_event_limit_exceptions: a });
  });

  test('another address that begins alike is not taken for ours', () => {
    const one = made('postfix', { origin: { by: 'said', addresses: ['192.0.2.2'] } });
    const other = { smtpd_client_event_limit_exceptions: '192.0.2.20' };
    const applied = run(one, other, 'apply');
    assert.equal(applied.smtpd_client_event_limit_exceptions, '192.0.2.2, 192.0.2.20');
    assert.deepEqual(run(one, other, 'undo'), other);
  });

  test('its table relays nothing, and we are in no network of the primary', () => {
    const files = made('postfix');
    const rows = text(files, 'mx2.example.net.cidr').trim().split('\n').slice(1);
    assert.deepEqual(rows, [
      '192.0.2.20/32 reject_unauth_destination, permit',
      '2001:db8:25::20/128 reject_unauth_destination, permit',
    ]);
    assert.doesNotMatch(text(files, 'trust.sh'), /^[^#]*mynetworks/m);
  });

  test('with XCLIENT nothing is exempted but limits; with XFORWARD all is, and it is only heard', () => {
    const xclient = run(made('postfix', passing('xclient')), before, 'apply');
    assert.deepEqual(xclient, {
      ...before,
      ...LIMITS,
      smtpd_authorized_xclient_hosts: '192.0.2.20, [2001:db8:25::20]',
    });
    const xforward = run(made('postfix', passing('xforward')), before, 'apply');
    assert.equal(xforward.smtpd_authorized_xforward_hosts, '192.0.2.20, [2001:db8:25::20]');
    assert.equal(xforward.smtpd_recipient_restrictions, `${EXEMPT}, ${LIST}`);
    assert.equal(xforward.smtpd_authorized_xclient_hosts, undefined);
  });
});

describe('generate primary', () => {
  test('for Exim: accepts the domains of the site from our addresses, and no others', () => {
    const files = made('exim');
    assert.equal(text(files, 'mx2.example.net.hosts'), '192.0.2.20\n2001:db8:25::20\n');
    assert.match(
      text(files, 'mx2.example.net.main'),
      /^domainlist from_mx2_example_net_domains = acme\.example : \*\.acme\.example$/m,
    );
    assert.deepEqual(words(text(files, 'mx2.example.net.acl')), [
      'accept hosts = +from_mx2_example_net_hosts',
      'domains = +from_mx2_example_net_domains',
      'endpass',
      'message = unknown user',
      'verify = recipient',
    ]);
  });

  test('for rspamd: knows us by name, and the domain of our seal, if we seal', () => {
    const files = made('rspamd', { seal: 'example.net' });
    assert.match(text(files, 'local.d/external_relay.conf'), /hostname_map = \["mx2\.example\.net"\];/);
    assert.match(
      text(files, 'local.d/greylist.conf'),
      /whitelisted_ip = \["192\.0\.2\.20", "2001:db8:25::20"\];/,
    );
    assert.match(text(files, 'local.d/arc.conf'), /whitelisted_signers_map = \["example\.net"\];/);
    assert.ok(!made('rspamd').has('local.d/arc.conf'));
  });

  test('what was assumed stands in the files', () => {
    const origin = { by: 'dns', addresses: ['192.0.2.20'] } as const;
    for (const program of ['postfix', 'exim', 'rspamd']) {
      const all = [...made(program, { origin }).values()].join('');
      assert.match(
        all.replace(/\n# /g, ' '),
        /Assumed: mail is handed over from 192\.0\.2\.20, since the DNS/,
        program,
      );
      assert.doesNotMatch([...made(program).values()].join(''), /Assumed: mail/, program);
    }
  });

  test('another program, or a site that never sees our address, is refused', () => {
    const why = (given: Partial<PrimaryGiven>, program: string): string => {
      const bundle = generatePrimary({ ...GIVEN, ...given }, { for: program });
      return bundle.kind === 'unusable' ? bundle.why : '';
    };
    assert.equal(why({}, 'qmail'), '--for qmail: postfix, exim or rspamd can stand here');
    assert.match(
      why({ site: { ...GIVEN.site, collect: { kind: 'odmr' } } }, 'postfix'),
      /never sees our address/,
    );
    assert.match(why({ helo: 'off' }, 'rspamd'), /"helo: usual" first/);
    assert.equal(why({ helo: 'off' }, 'postfix'), '');
    assert.equal(why({ site: { ...GIVEN.site, collect: { kind: 'etrn' } } }, 'postfix'), '');
  });
});
