/** How the conduct of strangers is written in the configuration: the greeting, HELO, limits, the greylist. */
import { z } from 'zod';
import { DAY, HOUR, MINUTE, SECOND } from '../base/clock.ts';
import type { Allowance, Conduct, Rates } from './conduct.ts';
import { choice, either, list, section } from './shapes.ts';
import * as v from './values.ts';

const SPANS: Readonly<Record<string, number>> = { s: SECOND, m: MINUTE, h: HOUR, d: DAY };

/** `none`, or an amount and a span: `600/h`, `2GB/h`. */
function rate(wanted: string, amount: z.ZodType<number>) {
  return z
    .string({ error: v.expected(wanted) })
    .transform((text, context): Allowance | null => {
      if (text.trim() === 'none') return null;
      const [, written = '', unit = ''] = /^([^/]+)\/\s*([smhd])$/i.exec(text.trim()) ?? [];
      const count = amount.safeParse(/^\d+$/.test(written.trim()) ? Number(written) : written.trim());
      const span = SPANS[unit.toLowerCase()];
      if (count.success && span !== undefined) return { count: count.data, span };
      context.addIssue({
        code: 'custom',
        message: `"${text}" is no rate: ${wanted} is expected`,
        input: text,
      });
      return z.NEVER;
    })
    .meta({ form: 'rate' });
}
const often = rate('a rate such as 100/m, 3000/h, or none', v.count(1, 1_000_000_000));
const octets = rate('a rate such as 500MB/m, 2GB/h, or none', v.size);

const connections = (text: string) =>
  often.prefault(text).describe('New connections. Too many: 421 instead of the greeting.');
const mails = (text: string) => often.prefault(text).describe('Mails, at their first recipient.');
const recipients = (text: string) => often.prefault(text).describe('Recipients.');
const errors = (text: string) =>
  often
    .prefault(text)
    .describe('Refusals for good (5yz). Too many: 450 to all recipients, also to valid ones.');
const bytes = (text: string) =>
  octets
    .prefault(text)
    .describe('Octets of mail that was taken; the mail with which it is too much is still taken.');

/** In `limits`. What is asked for at once may come at once: a rate is that, and as much again in each span. */
export const rateLimits = {
  allow: list(v.network, 'a list of addresses and networks')
    .prefault([])
    .meta({ form: 'list of networks' })
    .describe('Whom the rates below are not for. They are never for `peers` and loopback addresses.'),
  network_bits: section({
    ipv4: v.count(8, 32).prefault(24).describe('For IPv4.'),
    ipv6: v.count(16, 64).prefault(48).describe('For IPv6.'),
  })
    .prefault({})
    .describe('How many leading bits of an address make one network.'),
  connections_per_network: v
    .count(1, 100_000)
    .prefault(400)
    .describe('Most SMTP connections at once of one network; not for `peers`.'),
  client: section({
    connections: connections('600/m'),
    mails: mails('1800/h'),
    recipients: recipients('9000/h'),
    errors: errors('300/h'),
    bytes: bytes('4GB/h'),
  })
    .prefault({})
    .describe(
      'What one client address (one IPv6 /64) may do. While a site is down, mail for it that passes SPF, or of a client on an allow list, is counted by ' +
        'another rate alone: 18000 in three hours.',
    ),
  network: section({
    connections: connections('3000/m'),
    mails: mails('18000/h'),
    recipients: recipients('90000/h'),
    errors: errors('3000/h'),
    bytes: bytes('20GB/h'),
  })
    .prefault({})
    .describe('What one network may do.'),
  sender: section({
    mails: mails('3600/h'),
    recipients: recipients('36000/h'),
    bytes: bytes('none'),
  })
    .prefault({})
    .describe('What may come with one sender address; not for the null sender.'),
  site: section({
    mails: mails('none'),
    recipients: recipients('none'),
    bytes: bytes('none'),
  })
    .prefault({})
    .describe(
      'What one site may get from strangers. Without it there is no limit: with one, whoever floods a site keeps ' +
        'others from it.',
    ),
};

/** RFC 5321 §4.5.3.2.1: clients wait five minutes for the greeting; programs are less patient. */
const LONGEST_DELAY = 30 * SECOND;

export const conductKeys = {
  greeting_delay: either(
    [
      choice(['none']).transform(() => 0),
      v.duration.refine((ms) => ms <= LONGEST_DELAY, 'is too long: at most 30s'),
    ],
    'a duration up to 30s, or none,',
  )
    .prefault('2s')
    .meta({ form: 'duration or none' })
    .describe(
      'How long a stranger waits for the greeting; who speaks first is refused. Not for those that brought mail ' +
        'within a day, nor `peers`, `limits.allow`, loopback addresses and the primaries of sites.',
    ),
  helo: choice(['usual', 'strict', 'off'])
    .prefault('usual')
    .describe(
      '`usual`: who says that he is us is refused; no name and no address of his own: 450. `strict`: the latter are ' +
        'refused, too, and a name has to be in the DNS, else 450. `off`: it is written down only.',
    ),
  greylist: either(
    [
      choice(['none']).transform(() => null),
      section({
        delay: v.duration.prefault('5m').describe('A second try is taken so long after the first one.'),
        retry: v.duration.prefault('2d').describe('After this it is a first one again.'),
        keep: v.duration
          .prefault('35d')
          .describe('How long what came back is remembered, counted from its last use.'),
        trust_after: v
          .count(0, 1000)
          .prefault(5)
          .describe('A network that came back for so many mails is not asked any more; 0: never.'),
        first_mx: list(v.ip, 'a list of IP addresses')
          .prefault([])
          .meta({ form: 'list of IP addresses' })
          .describe(
            'Addresses of ours that stand in the DNS as a more preferred exchanger than the others: who tried them ' +
              'within the last hour is not asked at the others.',
          ),
      }),
    ],
    'a map such as { delay: 5m }, or none,',
  )
    .prefault('none')
    .meta({ form: '`none`, or a map' })
    .describe(
      'Greylisting: the first mail from a sender in a network to a recipient is answered 450, the next try is taken. ' +
        'Written: for all sites that do not say `greylist: false`.',
    ),
};

export const siteGreylist = z
  .boolean({ error: v.expected('true or false') })
  .optional()
  .meta({ form: 'true or false' })
  .describe('Whether its mail is greylisted. Without it: if `greylist` is written for the server.');

type Keys<T extends z.ZodRawShape> = { readonly [K in keyof T]: z.infer<T[K]> };
type WrittenLimits = Keys<typeof rateLimits>;
type WrittenConduct = Keys<typeof conductKeys>;

/** When a site asks for a greylist and the server has none. */
const GREYLIST = { delay: 5 * MINUTE, retry: 2 * DAY, keep: 35 * DAY, trust_after: 5, first_mx: [] };

export function buildConduct(written: WrittenConduct & { readonly limits: WrittenLimits }): Conduct {
  const { limits, greylist } = written;
  const { delay, retry, keep, trust_after, first_mx } = greylist ?? GREYLIST;
  return {
    greetingDelay: written.greeting_delay,
    helo: written.helo,
    allow: limits.allow,
    networkBits: limits.network_bits,
    rates: {
      client: ratesOf(limits.client),
      network: ratesOf(limits.network),
      sender: ratesOf(limits.sender),
      site: ratesOf(limits.site),
    },
    greylist: {
      everywhere: greylist !== null,
      delay,
      retry,
      keep,
      trustAfter: trust_after,
      firstMx: first_mx,
    },
  };
}

const ratesOf = (written: { readonly [K in keyof Rates]?: Allowance | null | undefined }): Rates =>
  Object.fromEntries(Object.entries(written).filter(([, allowance]) => allowance)) as Rates;

/** What is wrong between the keys, and where. */
export function conductFindings(
  written: WrittenConduct,
): { readonly path: readonly PropertyKey[]; readonly text: string }[] {
  const { greylist } = written;
  if (greylist === null) return [];
  const found = [];
  if (greylist.delay >= greylist.retry) {
    found.push({
      path: ['greylist', 'retry'],
      text: 'is not above delay: no second try would ever be taken',
    });
  }
  if (greylist.delay > HOUR) {
    found.push({
      path: ['greylist', 'delay'],
      text: 'is too long: at most 1h, else senders tell of a delay',
    });
  }
  return found;
}
