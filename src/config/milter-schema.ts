/**
 * The part of the schema that says which milters (mail filters) are asked. What they are is `docs/milters.md`.
 */
import { isIP } from 'node:net';
import { z } from 'zod';
import { choice, either, list, section } from './shapes.ts';
import * as v from './values.ts';

/** One filter, as the program uses it. */
export interface MilterRule {
  /** As it was written; unique: for the log and for marks. */
  readonly name: string;
  readonly at:
    | { readonly kind: 'unix'; readonly path: string }
    | { readonly kind: 'inet'; readonly host: string; readonly port: number };
  readonly onFailure: 'accept' | 'defer' | 'quarantine';
  /** Milliseconds. */
  readonly timeouts: { readonly connect: number; readonly command: number; readonly content: number };
  readonly connections: number;
  readonly reuse: boolean;
  /** Whether mail of `peers` is shown to it. */
  readonly peers: 'ask' | 'skip';
  /** Names; absent: mail to all of them, and all other mail. */
  readonly sites?: readonly string[];
}

const ADDRESS = 'an address such as unix:/run/rspamd/milter.sock or "inet:127.0.0.1:11332"';

/** As Postfix writes it; sendmail's `inet:PORT@HOST` and `local:` are understood, too. */
const address = z
  .string({ error: v.expected(ADDRESS) })
  .transform((written, context): { name: string; at: MilterRule['at'] } => {
    const name = written.trim();
    const at = readAddress(name);
    if (at) return { name, at };
    context.addIssue({
      code: 'custom',
      message: `"${written}" is no ${ADDRESS.replace(/^an /, '')}`,
      input: written,
    });
    return z.NEVER;
  })
  .meta({ form: 'unix:PATH or inet:HOST:PORT' });

function readAddress(name: string): MilterRule['at'] | null {
  const [, kind = '', rest = ''] = /^(unix|local|inet|inet6):(.+)$/.exec(name) ?? [];
  if (kind === 'unix' || kind === 'local') {
    // sun_path is 108 octets with its NUL.
    const fits = rest.startsWith('/') && Buffer.byteLength(rest) < 108 && !rest.includes('\0');
    return fits ? { kind: 'unix', path: rest } : null;
  }
  const at = rest.lastIndexOf('@');
  const cut = at < 0 ? rest.lastIndexOf(':') : at;
  if (kind === '' || cut < 0) return null;
  const [before, behind] = [rest.slice(0, cut), rest.slice(cut + 1)];
  const [host, digits] = at < 0 ? [before, behind] : [behind, before];
  const port = /^\d{1,5}$/.test(digits) ? Number(digits) : 0;
  const bare = host.replace(/^\[(.*)\]$/, '$1');
  const known = isIP(bare) !== 0 || /^[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252})$/.test(bare);
  return known && port >= 1 && port <= 65535 ? { kind: 'inet', host: bare, port } : null;
}

const timeouts = section({
  connect: v.duration.prefault('30s').describe('For the connection.'),
  command: v.duration.prefault('30s').describe('For the answer to each step.'),
  content: v.duration
    .prefault('5m')
    .describe(
      'For the answer to the end of the mail; each word of progress begins it anew, up to 9 minutes.',
    ),
});

const whole = section({
  at: address.describe('Where it listens.'),
  on_failure: choice(['accept', 'defer', 'quarantine'])
    .prefault('defer')
    .describe(
      'When it cannot be asked: `accept`: the mail passes with a mark. `defer`: it is put off with 451. `quarantine`: it ' +
        'is taken and held.',
    ),
  timeouts: timeouts.prefault({}).describe('How long it is waited for.'),
  connections: v
    .count(1, 10_000)
    .prefault(100)
    .describe('Most connections to it at once; who comes then waits for `timeouts.connect`.'),
  reuse: z
    .boolean({ error: v.expected('true or false') })
    .prefault(false)
    .meta({ form: 'true or false' })
    .describe(
      'Whether a connection to it serves several SMTP sessions, one after the other (version 6 of the protocol).',
    ),
  peers: choice(['ask', 'skip'])
    .prefault('ask')
    .describe('Whether it is asked of mail that comes from `peers`.'),
  sites: list(z.string({ error: v.expected('the name of a site') }), 'a list of names of sites')
    .min(1, 'is empty: leave the key out, and it is asked of all mail')
    .optional()
    .meta({ form: 'list of sites' })
    .describe('It is asked only of mail to these sites. Without it: of all.'),
});
type Whole = z.infer<typeof whole>;

const one = either(
  [address.transform((at): Whole => whole.parse({ at: at.name })), whole],
  `${ADDRESS}, or a map with "at"`,
).meta({ form: 'address, or a map' });

export const milters = list(one, 'a list of milters')
  .prefault([])
  .meta({ form: 'list of addresses and maps' })
  .describe(
    'Mail filters that are asked, in this order, by the milter protocol. An address alone has all as usual.',
  );

/** `say`: what is wrong, and in which milter. */
export function buildMilters(
  written: z.infer<typeof milters>,
  sites: readonly string[],
  say: (text: string, ...path: PropertyKey[]) => void,
): MilterRule[] {
  return written.map((one, i) => {
    const { name, at } = one.at;
    if (written.findIndex((other) => other.at.name === name) < i)
      say(`${name} stands in this list already`, i);
    one.sites?.forEach((site, j) => {
      if (!sites.includes(site)) say(`there is no site "${site}"`, i, 'sites', j);
    });
    return {
      name,
      at,
      onFailure: one.on_failure,
      timeouts: one.timeouts,
      connections: one.connections,
      reuse: one.reuse,
      peers: one.peers,
      ...(one.sites && { sites: one.sites }),
    };
  });
}
