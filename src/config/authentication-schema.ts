/**
 * The part of the schema about the authentication of mail: what is looked at, what follows from it. How it is
 * used: `policy/authentication`.
 */
import { z } from 'zod';
import { choice, either, section } from './shapes.ts';
import * as v from './values.ts';

const seal = section({
  domain: v.hostname.describe('Whose seal it is (`d=`).'),
  selector: v.domain.describe('Under which name the public key stands: `SELECTOR._domainkey.DOMAIN`.'),
  key: v.path.describe('The private key, PEM: RSA or Ed25519.'),
});

const flag = () => z.boolean({ error: v.expected('true or false') });

export const authentication = section({
  spf: flag()
    .prefault(true)
    .meta({ form: '`true` or `false`' })
    .describe(
      'Whether SPF is asked for every mail. It refuses nobody: it is kept with the mail, and a sender with a pass ' +
        'may be told of failures and delays.',
    ),
  dkim: flag()
    .optional()
    .meta({ form: '`true` or `false`' })
    .describe('Whether DKIM signatures are verified. Without it: if DMARC or ARC is looked at.'),
  dmarc: choice(['off', 'report', 'obey'])
    .prefault('off')
    .describe(
      '`report`: it is looked at and kept with the mail. `obey`: a mail that fails a policy of `reject` is refused ' +
        '(550), and put off (451) where DNS does not answer.',
    ),
  arc: either(
    [z.boolean(), section({ seal: seal.optional() })],
    'true, or { seal: { domain, selector, key } },',
  )
    .prefault(false)
    .meta({ form: '`true` or { seal: { domain, selector, key } }' })
    .describe(
      'Whether ARC chains are verified, and our own seal is put on top: it tells the primary what we saw when the ' +
        'mail came in.',
    ),
  results: flag()
    .optional()
    .meta({ form: '`true` or `false`' })
    .describe(
      'Whether mail gets an Authentication-Results field of ours, and loses those that others made in our name. ' +
        'Without it: if DKIM, DMARC or ARC is looked at.',
    ),
  authserv_id: v.hostname.optional().describe('Our name in Authentication-Results. Without it: `hostname`.'),
  workers: v
    .count(1, 64)
    .prefault(1)
    .describe(
      'Threads that verify DKIM, DMARC and ARC. What they cannot keep up with is skipped and marked.',
    ),
})
  .prefault({})
  .describe(
    'What is found out about the origin of mail; not asked for `peers` and for mail that sites send.',
  );

export type WrittenAuthentication = z.infer<typeof authentication>;
