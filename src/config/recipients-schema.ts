/**
 * The part of the schema that says which recipients a site has. What has to be looked at across keys is
 * `recipients.ts`.
 */
import { z } from 'zod';
import { choice, either, section } from './shapes.ts';
import * as v from './values.ts';

const verifyKeys = section({
  good: v.duration
    .prefault('31d')
    .describe('How long an address that the primary took is believed; it is asked again before that.'),
  bad: v.duration.prefault('3h').describe('How long one that it refused is believed.'),
});

const url = v.text<string>('https URL', 'an https URL', (value) => {
  const read = URL.canParse(value) ? new URL(value) : null;
  if (!read || (read.protocol !== 'https:' && read.protocol !== 'http:'))
    return { why: `"${value}" is no https URL` };
  if (read.username !== '' || read.password !== '')
    return { why: 'holds a password: use "token" or "token_file"' };
  const near = ['localhost', '127.0.0.1', '[::1]'].includes(read.hostname);
  if (read.protocol === 'http:' && !near)
    return { why: `"${value}": everybody on the way could read it: https is expected` };
  return { ok: read.href };
});

const map = section({
  file: v.path
    .optional()
    .describe(
      'A list: an address, a local part (good at all domains of the site) or `@domain` a line; or relay_recipient_maps ' +
        'and virtual of Postfix, virtusertable and aliases of sendmail as they are. Read again when it changes. The path ' +
        'is relative to this file.',
    ),
  http: url
    .optional()
    .describe(
      'The same from an HTTPS server. A list that has lost more than half is not taken; the last good copy is kept on disk.',
    ),
  token: v.secret.optional().describe('What the server is shown: `Authorization: Bearer TOKEN`.'),
  token_file: v.path.optional().describe('A file whose first line is the token.'),
  every: v.duration.optional().describe('How often the server is asked. Without it: 1h.'),
  verify: either([z.boolean(), verifyKeys], 'true, or { good: 31d, bad: 3h }')
    .optional()
    .meta({ form: '`true` or a map' })
    .describe(
      'What no list has is asked of the primary, while it is up (RCPT without DATA), and learned from what is handed over.',
    ),
  unknown: choice(['return', 'accept', 'defer'])
    .optional()
    .describe(
      'With `verify`: what an unknown address meets while nobody can be asked. `return`: 451, and it is taken when the ' +
        'same sender and recipient come back after 5 minutes; `accept`: it is taken; `defer`: 451 always.',
    ),
  delimiter: z
    .string({ error: v.expected('one character, or nothing') })
    .regex(/^[^A-Za-z0-9\s@"]?$/, 'is no delimiter: one character is expected, such as "+", or ""')
    .prefault('+')
    .meta({ form: 'character' })
    .describe('What parts a sub-address: `joe+list` is known if `joe` is. "": nothing does.'),
});

export const recipients = either(
  [choice(['any', 'verify']), map],
  'any, verify, or a map with file, http, verify',
)
  .meta({ form: '`any`, `verify`, or a map' })
  .describe(
    'Which recipients the site has ([roster.md](roster.md)). `any`: nobody is refused. `verify`: the primary is asked, and ' +
      'what it takes is remembered. A map: lists, which are complete (all others are refused) unless `verify` stands ' +
      'beside them. Without this key: `verify` for `collect: push`, else `any`. `postmaster` is always valid.',
  );
