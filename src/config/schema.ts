/**
 * The configuration file as one zod schema: it checks the file, and its descriptions are the
 * reference (`docs/reference.md`, made by `tools/reference.ts`). What has to be looked at across
 * keys, or on the disk, is `build.ts`.
 */
import { z } from 'zod';
import { RECIPIENT_FIELDS } from '../mail/envelope-fields.ts';
import type { HostPort } from '../site/site.ts';
import { DEFAULT_SPOOL } from './config.ts';
import { anyOf, nearest } from './suggest.ts';
import * as v from './values.ts';

/** What unknown keys are told: a line for each, in zod's order. `later` names what is not here yet. */
function unknownKeys(
  keys: readonly string[],
  known: readonly string[],
  later: Record<string, string>,
): string {
  const tell = (key: string) => {
    if (later[key]) return `"${key}" is not in this version: ${later[key]}`;
    const near = nearest(key, known);
    if (near) return `unknown key "${key}": did you mean "${near}"?`;
    return `unknown key "${key}": ${anyOf(known)} can stand here`;
  };
  return keys.map(tell).join('\n');
}

/** A map with these keys and no others. */
const section = <S extends z.ZodRawShape>(shape: S, later: Record<string, string> = {}) =>
  z.strictObject(shape, {
    error: (issue) =>
      issue.code === 'unrecognized_keys'
        ? unknownKeys(issue.keys, Object.keys(shape), later)
        : v.expected(`a map with ${anyOf(Object.keys(shape))}`)(issue),
  });

const list = <T extends z.ZodType>(of: T, wanted: string) => z.array(of, { error: v.expected(wanted) });

/** One of some words. */
const choice = <const W extends readonly [string, ...string[]]>(
  words: W,
  later: Record<string, string> = {},
) =>
  z.enum(words, {
    error: (issue) => {
      const word = String(issue.input);
      if (later[word]) return `"${word}" is not in this version: ${later[word]}`;
      if (typeof issue.input !== 'string') return v.expected(anyOf(words))(issue);
      const near = nearest(word, words);
      return `"${word}" is not known: ${near && words.length > 1 ? `did you mean "${near}"? ` : ''}${anyOf(words)} can stand here`;
    },
  });

/** One of several forms; `wanted` is what is said when none is near. */
const either = <const O extends readonly [z.ZodType, ...z.ZodType[]]>(options: O, wanted: string) =>
  z.union(options, { error: v.expected(wanted) });

const prints = either(
  [
    v.fingerprint.transform((one) => [one]),
    list(v.fingerprint, 'a list of fingerprints').min(1, 'is empty: a fingerprint is expected'),
  ],
  'a fingerprint, or a list of them,',
);

const tlsPolicy = either(
  [choice(['may', 'verify', 'none']), section({ fingerprint: prints })],
  'may, verify, none, or { fingerprint: … }',
).meta({ form: 'may, verify, none, or { fingerprint: SHA-256 }' });

const TLS_WORDS =
  '`may`: any certificate, and cleartext if the handshake fails. `verify`: a certificate that a known ' +
  'authority signed for the name. `none`: never. A fingerprint: only the certificates with that SHA-256.';

// What uuxqt, nncp-toss and the command line of uux take for a name.
const neighbour = z.string({ error: v.expected('a name') }).regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/, {
  error: (issue) => `"${issue.input}" is no name of a system or node: letters, digits, ".", "_" and "-"`,
});
const batch = section({
  uucp: neighbour
    .optional()
    .meta({ form: 'system name' })
    .describe(
      'The UUCP system. Runs `uux -p -r -n SYSTEM!rmail (RECIPIENT)…` for each mail; with `form: bsmtp` ' +
        '`uux -p -r -n SYSTEM!rsmtp` for each batch, and `SYSTEM!rcsmtp` if it is compressed.',
    ),
  nncp: neighbour
    .optional()
    .meta({ form: 'node name or id' })
    .describe(
      'The NNCP node. Runs `nncp-exec -quiet NODE rmail RECIPIENT…` for each mail; with `form: bsmtp` ' +
        '`nncp-exec -quiet NODE rsmtp` for each batch (`rcsmtp` if it is compressed; NNCP compresses by itself).',
    ),
  config: v.path
    .optional()
    .describe(
      'The configuration file for `uux` (`-I FILE`) or `nncp-exec` (`-cfg FILE`), if not the usual one.',
    ),
  command: list(v.word, 'a list of words, such as [ssh, leaf, rmail, "{recipients}"],')
    .min(1, 'is empty: the program is expected')
    .optional()
    .meta({ form: 'list of words' })
    .describe(
      'Any other command, by words; no shell is used. The mail or the batch is its standard input. ' +
        '`{recipients}`: a word for each recipient (with `rmail` it has to be there). `{sender}`: MAILER-DAEMON for the ' +
        'null sender. `{site}`: the name of the site. `{file}`: the path of a file that holds the input. Exit code 0 ' +
        'means delivered; any other code, that all of it is tried again.',
    ),
  form: choice(['rmail', 'bsmtp'])
    .prefault('rmail')
    .describe(
      '`rmail`: a call for each mail, its recipients as words. `bsmtp`: many mails in one batch (RFC 2442).',
    ),
  compress: choice(['none', 'gzip', 'zstd'])
    .optional()
    .describe('How a batch is compressed. Without it: gzip for `bsmtp` by `uucp`, else none.'),
  size: v.size.prefault('1MB').describe('A batch is due with so many octets, before compression,'),
  count: v.count(1, 10_000).prefault(100).describe('with so many mails,'),
  every: v.duration.prefault('1h').describe('or when its oldest mail has waited so long.'),
  timeout: v.duration.prefault('10m').describe('How long the command may take before it is killed.'),
  from: either(
    [section({ uucp: neighbour }), section({ nncp: neighbour })],
    '{ uucp: NAME } or { nncp: NODE-ID }',
  )
    .optional()
    .meta({ form: '{ uucp: name } or { nncp: node id }' })
    .describe(
      'Whose `restante rmail` and `restante rsmtp` bring mail from the site: what uuxqt puts into UU_MACHINE, or ' +
        'nncp-toss into NNCP_SENDER (the id, not the alias). Without it: `uucp` or `nncp` above.',
    ),
});

const sendKeys = section({
  domains: list(v.domain, 'a list of domains')
    .min(1, 'is empty: a sender domain is expected')
    .optional()
    .meta({ form: 'list of domains' })
    .describe("Its sender domains; a leading dot means all below. Without it: the site's domains."),
  to: choice(['any', 'sites'])
    .prefault('any')
    .describe('Whom it may send to. `any`: everybody, by `outbound`. `sites`: only recipients of sites.'),
  from: list(v.network, 'a list of addresses and networks')
    .prefault([])
    .meta({ form: 'list of networks' })
    .describe('Networks whose SMTP is taken for the site, without a login.'),
});
const send = either(
  [z.boolean().transform((on) => (on ? sendKeys.parse({}) : null)), sendKeys],
  'true, or { domains: […], to: any, from: [networks] }',
);

const FOR_THIN_LINKS = 'For sites at the end of a thin link, which call for their mail. ';
const site = section({
  domains: list(v.domain, 'a list of domains, such as [acme.example, .acme.example],')
    .min(1, 'is empty: a site has at least one domain')
    .meta({ form: 'list of domains' })
    .describe(
      'The domains whose mail is held. A leading dot means all domains below, and not the domain itself. ' +
        'The longest match wins. A domain belongs to one site.',
    ),
  collect: choice(['push', 'etrn', 'odmr', 'mailbox', 'batch'])
    .prefault('push')
    .describe(
      'How the site gets its mail. `push`: by SMTP to its primary, as soon as that is back. `etrn`: the same, when the ' +
        'site calls for it. `odmr`: when it calls, over its own connection to `listen.odmr`. `mailbox`: it fetches its ' +
        'queue by POP3. `batch`: mail is given to a command, such as `uux` or `nncp-exec`.',
    ),
  mailbox: section({
    copies: choice(['one', 'each'])
      .prefault('one')
      .describe(
        '`one`: each mail stands in the mailbox once, with all its recipients. `each`: a copy for each recipient.',
      ),
    field: choice(RECIPIENT_FIELDS)
      .prefault('X-Envelope-To')
      .describe('The field on top of each mail in which its recipients stand.'),
  })
    .optional()
    .describe('How the mailbox looks; for `collect: mailbox`.'),
  batch: batch.optional().describe('For `collect: batch`: which command, and when.'),
  send: send
    .optional()
    .meta({ form: '`true` or a map' })
    .describe(
      'Mail from the site is passed on, with its own sender domains and the null sender only: if it came by ' +
        '`restante rmail` or `restante rsmtp`, from its networks, or by a login of the site.',
    ),
  etrn: section({
    callers: either(
      [choice(['any', 'auth']), list(v.network, 'a list of networks').min(1, 'is empty: nobody could call')],
      'any, auth, or a list of networks,',
    )
      .prefault('any')
      .meta({ form: '`any`, `auth`, or list of networks' })
      .describe(
        'Who may start the handing over by ETRN. `any`: everybody, since it only goes to the primary; `auth`: who logs ' +
          'in as the site; or these networks, beside those who log in.',
      ),
  })
    .optional()
    .describe(
      'That ETRN is taken for the site. It always is for `collect: etrn`; for a site that is pushed to it means that the ' +
        'primary is back.',
    ),
  token: v.fingerprint
    .optional()
    .meta({ form: 'SHA-256' })
    .describe(
      'The SHA-256 of the token with which the site calls over HTTPS (`listen.call`); `restante generate etrn` makes one.',
    ),
  order: choice(['arrival', 'size', 'sender'])
    .optional()
    .describe(`${FOR_THIN_LINKS}What is handed over first: the oldest, the smallest, or sender by sender.`),
  largest: v.size
    .optional()
    .describe(
      `${FOR_THIN_LINKS}A larger mail stays here; its recipients get a short note, and an operator can let it go by ` +
        '`restante queue release`.',
    ),
  primary: either(
    [
      z.literal('mx'),
      v.hostPort(25).transform((one) => [one]),
      list(v.hostPort(25), 'a list of hosts').min(1, 'is empty: a host is expected, or "mx"'),
    ],
    'mx, caller, a host[:port], or a list of them,',
  )
    .prefault('mx')
    .meta({ form: '`mx`, `caller`, host[:port], or a list of them' })
    .describe(
      "Where the mail goes. `mx`: to the hosts that the domain's MX records prefer to us. Named hosts are tried " +
        'in their order, and looked up at each connection, so that a dynamic name can be used. `caller[:port]`: to the ' +
        'address from which the site called, once it has logged in over TLS, or shown its token.',
    ),
  tls: tlsPolicy.prefault('may').describe(`What is asked of the primary's TLS. ${TLS_WORDS}`),
  expect: either(
    [section({ ehlo: v.hostname }), section({ fingerprint: v.fingerprint })],
    '{ ehlo: NAME } or { fingerprint: SHA-256 }',
  )
    .optional()
    .meta({ form: '{ ehlo: name } or { fingerprint: SHA-256 }' })
    .describe(
      'What a host has to show before it gets mail: the name in its reply to EHLO, or its certificate. For ' +
        'primaries at dynamic addresses, where somebody else may answer tomorrow.',
    ),
  recipients: either(
    [
      choice(['any']),
      section(
        { file: v.path },
        { verify: 'for now: any, or { file: PATH }', http: 'for now: any, or { file: PATH }' },
      ),
    ],
    'any, or { file: PATH }',
  )
    .prefault('any')
    .meta({ form: '`any` or { file: path }' })
    .describe(
      'Which recipients the site has. `any`: nobody is refused. A file: one address a line, and all others are ' +
        'refused; the path is relative to this file. `postmaster` is always valid.',
    ),
  logins: list(v.login, 'a list of login names')
    .optional()
    .meta({ form: 'list of login names' })
    .describe(
      "Login names that may act for the site: collect its mail, call for it. Without it: the site's own name. A login may " +
        'stand at several sites. Their secrets are made by `restante secret set`.',
    ),
  while_up: choice(['accept'], {
    defer: 'for now new mail is accepted',
    through: 'for now new mail is accepted',
  })
    .prefault('accept')
    .describe('What new mail meets while the primary is up. `accept`: it is taken and handed over at once.'),
  hold: v.duration
    .prefault('30d')
    .describe('How long mail is kept and tried before its sender is told that it failed.'),
  warn: list(v.duration, 'a list of durations, such as [4h, 4d],')
    .optional()
    .meta({ form: 'list of durations' })
    .describe(
      'The ages of a mail, rising, at which its sender is told of the delay. `[]`: never. Without it: 4h and ' +
        '4d, as far as they are below `hold`.',
    ),
  connections: v.count(1, 100).prefault(10).describe("Most connections to the site's primary at once."),
  probe: v.duration
    .prefault('60s')
    .describe('The longest interval between two probes while the primary is down.'),
});

// It stands in queue names (`>` begins a foreign one), folder names and URLs.
const siteName = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/, {
  error: (issue) =>
    `"${issue.input}" is no name for a site: a letter or digit, then letters, digits, ".", "_" or "-", at most 63`,
});

const sites = z
  .record(siteName, site, { error: v.expected('a map of sites, such as acme: { domains: [acme.example] },') })
  .describe('The sites whose mail is held, each under a name of its own: letters, digits, `.`, `_` and `-`.');

export interface SmartHost {
  host: HostPort;
  tls?: z.infer<typeof tlsPolicy> | undefined;
  user?: string | undefined;
  password?: string | undefined;
  password_file?: string | undefined;
}
const outbound = either(
  [
    z.literal('mx'),
    v.hostPort(587).transform((host): SmartHost => ({ host })),
    section({
      host: v.hostPort(587).describe('The smart host; its port is 587 if none is named.'),
      tls: tlsPolicy
        .optional()
        .describe(`What is asked of its TLS; \`verify\` if there is a user, else \`may\`. ${TLS_WORDS}`),
      user: v.word.optional().describe('The name for AUTH.'),
      password: v.secret.optional().describe('The password for AUTH.'),
      password_file: v.path.optional().describe('A file whose first line is the password.'),
    }).transform((host): SmartHost => host),
  ],
  'mx, a smart host, or a map with host, tls, user and password_file',
);

export const schema = section(
  {
    hostname: v.hostname.describe('Our name: in the greeting, in EHLO, in trace fields and notices.'),
    spool: z
      .string({ error: v.expected('a path') })
      .min(1, 'is empty: a path is expected')
      .refine((path) => !path.includes('\0'), 'holds a NUL')
      .refine(
        (path) => !/^[a-z]+:\/\//.test(path),
        'a database is not in this version: the path of a folder is expected',
      )
      .prefault(DEFAULT_SPOOL)
      .meta({ form: 'path' })
      .describe(
        'The folder in which mail is kept. Made if it is missing. A relative path begins at this file.',
      ),
    also: section({
      names: list(v.hostname, 'a list of host names')
        .prefault([])
        .meta({ form: 'list of host names' })
        .describe('Other names of ours.'),
      addresses: list(v.ip, 'a list of IP addresses')
        .prefault([])
        .meta({ form: 'list of IP addresses' })
        .describe('Other addresses of ours, as behind NAT.'),
    })
      .prefault({})
      .describe('What else is us, when we look for hosts that are preferred to us.'),
    listen: section(
      {
        smtp: list(v.listener(25), 'a list such as ["0.0.0.0:25", "[::]:25"]')
          .min(1, 'is empty: without an address no mail comes in')
          .prefault(['0.0.0.0:25', '[::]:25'])
          .meta({ form: 'list of address:port' })
          .describe('Where mail is received by SMTP.'),
        pop3: list(v.listener(110), 'a list such as ["0.0.0.0:110", "[::]:110"]')
          .prefault([])
          .meta({ form: 'list of address:port' })
          .describe('Where mailboxes are fetched by POP3; STLS is always offered.'),
        pop3s: list(v.listener(995), 'a list such as ["0.0.0.0:995", "[::]:995"]')
          .prefault([])
          .meta({ form: 'list of address:port' })
          .describe('The same, with TLS from the first octet.'),
        odmr: list(v.listener(366), 'a list such as ["0.0.0.0:366", "[::]:366"]')
          .prefault([])
          .meta({ form: 'list of address:port' })
          .describe('Where sites call for their mail by ODMR.'),
        call: list(v.listener(8366), 'a list such as ["0.0.0.0:8366"]')
          .prefault([])
          .meta({ form: 'list of address:port' })
          .describe(
            'Where sites call over HTTPS: `POST /call/SITE` with their token. Without TLS on loopback addresses.',
          ),
        rmail: v.path
          .optional()
          .describe(
            'A socket for `restante rmail` and `restante rsmtp`, if UUCP or NNCP runs as another user than the server: ' +
              'whoever can open it (mode 0660; the group is that of a setgid folder) is believed. Without it: the control socket.',
          ),
      },
      {
        console: 'the web console comes later',
      },
    )
      .prefault({})
      .describe('Addresses on which we listen.'),
    tls: list(
      section({
        cert: v.path.describe('The certificate and those above it, PEM.'),
        key: v.path.describe('Its private key, PEM.'),
      }),
      'a list such as [{ cert: PATH, key: PATH }]',
    )
      .prefault([])
      .describe(
        'Certificates for STARTTLS, chosen by the name that the peer asks for, the first one otherwise. Read again ' +
          'when the files change. With none, a self-signed key is made once and kept.',
      ),
    resolver: list(v.server(53), 'a list of DNS servers')
      .prefault([])
      .meta({ form: 'list of address[:port]' })
      .describe("DNS servers that are asked, in their order. Empty: the system's."),
    peers: list(v.network, 'a list of addresses and networks')
      .prefault([])
      .meta({ form: 'list of networks' })
      .describe('Fellow secondaries and front MTAs: not limited by client.'),
    outbound: outbound
      .prefault('mx')
      .meta({ form: '`mx`, host[:port], or a map' })
      .describe('How notices leave: `mx`: by the MX records of their recipients; or all by a smart host.'),
    secrets: v.path
      .optional()
      .describe(
        'The file of login secrets, written by `restante secret`. Without it: `secrets` in the spool folder. Read again ' +
          'when it changes; it has to be readable by the server alone.',
      ),
    auth: section({
      cleartext: list(v.network, 'a list of addresses and networks')
        .prefault([])
        .meta({ form: 'list of networks' })
        .describe(
          'From where passwords are taken without TLS, beside loopback. Everybody on the way can read them.',
        ),
    })
      .prefault({})
      .describe('How logins are proved.'),
    notices: section({
      allow: list(v.party, 'a list of addresses and domains')
        .prefault([])
        .meta({ form: 'list of addresses and domains' })
        .describe(
          'Who may be told of a delay or a failure: addresses, domains, or all domains below one (a leading dot). ' +
            'For everybody else, mail that failed is kept as undeliverable, since a return path may be forged.',
        ),
      undeliverable: v.duration
        .optional()
        .describe('How long undeliverable mail is kept. Without it: until an operator removes it.'),
    })
      .prefault({})
      .describe('Notices (delivery status notifications).'),
    postmaster: v.mailbox
      .optional()
      .describe("Who gets the mail for postmaster here. Without it, it stays in the operator's queue."),
    limits: section({
      size: v.size
        .prefault('150MB')
        .describe("The largest mail that is taken while the primary's own limit is not known."),
      connections: v.count(1, 100_000).prefault(1000).describe('Most SMTP connections at once.'),
      connections_per_client: v
        .count(1, 100_000)
        .prefault(200)
        .describe(
          'Most SMTP connections at once of one client (one IPv6 /64 is one client); not for `peers`.',
        ),
      // RFC 5321 §4.5.3.1.8: at least 100 recipients
      recipients: v.count(100, 50_000).prefault(1000).describe('Most recipients of one mail.'),
      reserve: v.size.prefault('256MiB').describe('Room on the disk that mail may not use.'),
      spool: v.size
        .optional()
        .describe('Most room that the spool may use. Without it: all that is free, but the reserve.'),
    })
      .prefault({})
      .describe('Bounds.'),
    log: section({
      level: choice(['debug', 'info', 'warn', 'error'])
        .prefault('info')
        .describe('The least weight of lines that are logged.'),
    })
      .prefault({})
      .describe('The log, on standard error.'),
    sites,
  },
  { console: 'the web console comes later', cluster: 'one machine, for now' },
);

export type Written = z.infer<typeof schema>;
export type WrittenSite = Written['sites'][string];
