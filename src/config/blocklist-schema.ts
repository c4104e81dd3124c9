/**
 * The part of the schema that says which blocklists and allow lists are asked, and what follows from a hit. What
 * has to be looked at across keys is `blocklists.ts`. RFC 5782.
 */
import { isIP } from 'node:net';
import { choice, either, list, section } from './shapes.ts';
import * as v from './values.ts';

/** Answers from `from` to `to`, as 32-bit numbers. */
export interface CodeRange {
  readonly from: number;
  readonly to: number;
}

const LOOPBACK = 127 * 2 ** 24;
/** 127.255.255.0/24: what lists answer when they refuse the question. */
export const REFUSAL_CODES: CodeRange = { from: LOOPBACK + 0xffff00, to: LOOPBACK + 0xffffff };

/** An IPv4 address as a number. */
export const codeOf = (address: string): number =>
  address.split('.').reduce((sum, octet) => sum * 256 + Number(octet), 0);

function readCodes(value: string): v.Read<CodeRange> {
  const [first = '', last = first, ...more] = value.split('-').map((part) => part.trim());
  // `127.0.0.2-11`: the last octet alone.
  const end = /^\d{1,3}$/.test(last) ? first.replace(/\d+$/, last) : last;
  if (isIP(first) !== 4 || isIP(end) !== 4 || more.length > 0) {
    return { why: `"${value}" is no return code: write one such as 127.0.0.2, or 127.0.0.2-127.0.0.11` };
  }
  const range = { from: codeOf(first), to: codeOf(end) };
  if (range.from > range.to) return { why: `"${value}": the range ends before it begins` };
  if (!first.startsWith('127.') || !end.startsWith('127.')) {
    return { why: `"${value}": lists answer with addresses in 127.0.0.0/8; others are ignored` };
  }
  if (range.to >= REFUSAL_CODES.from) {
    return { why: `"${value}": with 127.255.255.x a list refuses the question; it lists nobody` };
  }
  return { ok: range };
}
const codes = v.text<CodeRange>(
  'code or range',
  'a return code such as 127.0.0.2, or 127.0.0.2-127.0.0.11',
  readCodes,
);

const zone = v.domain
  .refine((name) => !name.startsWith('.'), 'begins with a dot: the name of the list alone is expected')
  .meta({ form: 'domain' });

/** Not made canonical: `::ffff:7f00:2` is an IPv6 point. */
const point = v.text<string>('address or domain', 'an address or a domain', (value) =>
  isIP(value) !== 0 || /^[a-z0-9_-]+(\.[a-z0-9_-]+)*$/i.test(value)
    ? { ok: value.toLowerCase() }
    : { why: `"${value}" is neither an address nor a domain` },
);
const pair = section({ listed: point, clean: point });

const oneOrMore = <const W extends readonly [string, ...string[]]>(words: W, wanted: string) =>
  either(
    [
      choice(words).transform((one) => [one]),
      list(choice(words), wanted).min(1, `is empty: ${wanted} is expected`),
    ],
    wanted,
  );

const shared = {
  zone: zone.describe('The name of the list, below which it is asked.'),
  families: oneOrMore(['ipv4', 'ipv6'], 'ipv4, ipv6, or both in a list,')
    .prefault('ipv4')
    .meta({ form: '`ipv4`, `ipv6`, or a list of both' })
    .describe('For `address`: clients of which family it is asked about.'),
  codes: list(codes, 'a list of return codes')
    .prefault([])
    .meta({ form: 'list of codes and ranges, such as `127.0.0.2-127.0.0.11`' })
    .describe(
      'The answers that count. Empty: all in 127.0.0.0/8, but 127.255.255.x, by which a list refuses the question.',
    ),
  test: either(
    [pair.transform((one) => [one]), list(pair, 'a list of pairs')],
    '{ listed: ADDRESS, clean: ADDRESS }',
  )
    .prefault([])
    .meta({ form: '{ listed: address or domain, clean: address or domain }, or a list of them' })
    .describe(
      'What the list has to have, and what it must not have; looked at at start, each hour, and the latter at each hit. Without ' +
        'it: 127.0.0.2 and 127.0.0.1, ::FFFF:7F00:2 and ::FFFF:7F00:1, TEST and INVALID (RFC 5782), as far as the kind has it.',
    ),
};

const blocking = section({
  ...shared,
  kind: oneOrMore(
    ['address', 'client-name', 'helo', 'sender'],
    'address, client-name, helo, sender, or a list of them,',
  )
    .prefault('address')
    .meta({ form: '`address`, `client-name`, `helo`, `sender`, or a list of them' })
    .describe(
      'What is looked up: the address of the client; its name, if address and name point to each other; the name in EHLO; ' +
        "the sender's domain.",
    ),
  weight: v.count(1, 1000).prefault(1).describe('What a hit adds to the score of a mail; once for a list.'),
});
const allowing = section({
  ...shared,
  kind: oneOrMore(['address', 'client-name'], 'address, client-name, or both in a list,')
    .prefault('address')
    .meta({ form: '`address`, `client-name`, or a list of both' })
    .describe('What is looked up. What a client merely says of itself (`helo`, `sender`) allows nothing.'),
});

const blocks = list(
  either(
    [zone.transform((name) => blocking.parse({ zone: name })), blocking],
    'the name of a list, or a map with zone,',
  ).meta({
    form: 'domain, or a map',
  }),
  'a list such as [zen.example.org]',
);
const allows = list(
  either(
    [zone.transform((name) => allowing.parse({ zone: name })), allowing],
    'the name of a list, or a map with zone,',
  ).meta({
    form: 'domain, or a map',
  }),
  'a list such as [list.example.org]',
);

const whole = section({
  lists: blocks
    .prefault([])
    .meta({ form: 'list of domains and maps' })
    .describe('The blocklists. A name alone: all answers of a list of IPv4 addresses count.'),
  allow: allows
    .prefault([])
    .meta({ form: 'list of domains and maps' })
    .describe('Allow lists: who stands on one is denied by no blocklist.'),
  threshold: v
    .count(1, 100_000)
    .prefault(1)
    .describe(
      'The score from which on a mail is denied; 1: any one list denies. A lower score is a mark on the mail.',
    ),
  action: choice(['reject', 'defer'])
    .prefault('reject')
    .describe('`reject`: 550 5.7.1 at RCPT, with the reason that the list gives. `defer`: 450 4.7.1.'),
  deadline: v.duration
    .prefault('5s')
    .describe(
      'How long an answer is waited for, from the question on; the address is asked about at the connection. What is not ' +
        'answered by then is no hit.',
    ),
});

export const blocklists = either(
  [
    // `at`: where the lists stand, for findings.
    blocks.transform((lists) => ({ ...whole.parse({}), lists, at: [] as string[] })),
    whole.transform((map) => ({ ...map, at: ['lists'] })),
  ],
  'a list such as [zen.example.org], or a map with lists, allow, threshold, action and deadline,',
)
  .prefault([])
  .meta({ form: 'list of domains, or a map' })
  .describe(
    'DNS blocklists (RFC 5782) that are asked about clients. Not asked about `peers`, those who log in and sites that ' +
      'send. Mail to a postmaster is taken all the same.',
  );
