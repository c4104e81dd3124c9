/**
 * The part of the schema that says what a site is: its domains, how it gets its mail, whom it has, what it may
 * send. What has to be looked at across keys is `build.ts` and `batch.ts`.
 */
import { z } from 'zod';
import { RECIPIENT_FIELDS } from '../mail/envelope-fields.ts';
import { siteGreylist } from './limits-schema.ts';
import { recipients } from './recipients-schema.ts';
import { choice, either, list, section, TLS_WORDS, tlsPolicy } from './shapes.ts';
import * as v from './values.ts';

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
  recipients: recipients.optional(),
  logins: list(v.login, 'a list of login names')
    .optional()
    .meta({ form: 'list of login names' })
    .describe(
      "Login names that may act for the site: collect its mail, call for it. Without it: the site's own name. A login may " +
        'stand at several sites. Their secrets are made by `restante secret set`.',
    ),
  while_up: choice(['accept', 'defer', 'through'])
    .prefault('accept')
    .describe(
      'What new mail meets while the primary is up; for `collect: push`. `accept`: it is taken and handed over at once. ' +
        '`defer`: 451, "use the primary"; the same sender and recipient are taken when they come again after five ' +
        'minutes. `through`: recipients and content are put to the primary while the sender waits, and what it says is ' +
        'passed on. In both, mail is held as usual while the primary is down or its words are doubtful.',
    ),
  pass_client: choice(['none', 'xforward', 'xclient'])
    .prefault('none')
    .describe(
      'Whether a primary that offers it is told which client gave us a mail; for `collect: push` and `etrn`. `xforward`: for its ' +
        'log and its filters. `xclient`: it judges that client (SPF, blocklists, greylisting) as if we were not there. It has to be ' +
        'told to take this from us: `restante generate primary`.',
    ),
  hide: z
    .boolean({ error: v.expected('true or false') })
    .prefault(false)
    .describe(
      'The names and addresses of the primary are told to no sender: they are cut from what is passed on of its words ' +
        '(`while_up: through`), and `defer` names no host.',
    ),
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
  greylist: siteGreylist,
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

export const sites = z
  .record(siteName, site, { error: v.expected('a map of sites, such as acme: { domains: [acme.example] },') })
  .describe('The sites whose mail is held, each under a name of its own: letters, digits, `.`, `_` and `-`.');
