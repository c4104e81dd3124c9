/**
 * The configuration file as one zod schema: it checks the file, and its descriptions are the
 * reference (`docs/reference.md`, made by `tools/reference.ts`). What has to be looked at across
 * keys, or on the disk, is `build.ts`.
 */
import { z } from 'zod';
import type { HostPort } from '../site/site.ts';
import { authentication } from './authentication-schema.ts';
import { blocklists } from './blocklist-schema.ts';
import { DEFAULT_SPOOL } from './config.ts';
import { conductKeys, rateLimits } from './limits-schema.ts';
import { milters } from './milter-schema.ts';
import { choice, either, list, section, TLS_WORDS, tlsPolicy } from './shapes.ts';
import { sites } from './site-schema.ts';
import * as v from './values.ts';

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
        proxy: list(v.network, 'a list of addresses and networks')
          .prefault([])
          .meta({ form: 'list of networks' })
          .describe(
            'From where a connection to listen.smtp begins with a header of the PROXY protocol, version 1 or 2, which tells ' +
              'who the client is. Without a valid one it is closed.',
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
      .describe(
        'Fellow secondaries and front MTAs: not blocklisted, not limited, not greylisted, and not made to wait; they may tell by XCLIENT and ' +
          'XFORWARD who their clients are.',
      ),
    ...conductKeys,
    blocklists,
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
    authentication,
    notices: section({
      allow: list(v.party, 'a list of addresses and domains')
        .prefault([])
        .meta({ form: 'list of addresses and domains' })
        .describe(
          'Who may be told of a delay or a failure, beside those whose return path was proved (SPF, DMARC, or a ' +
            'site that sends): addresses, domains, or all domains below one (a leading dot). For everybody else, ' +
            'mail that failed is kept as undeliverable, since a return path may be forged.',
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
    milters,
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
      ...rateLimits,
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
