/**
 * For rspamd: its module external_relay takes the client from our Received field, so that SPF, blocklists and greylisting judge who gave us
 * the mail. The strategy is `hostname_map`: of those that tell our mail from others' it is the one that rspamd of Debian 12 (3.4)
 * has. It knows us by our reverse name, which has to be what stands behind `by` in our field.
 */
import { file, fill, type Generated, PLAIN, unusable } from '../bundle.ts';
import { comment, type TrustPlan } from './plan.ts';

/** Also the symbol that says that the client was taken from our field. */
const RULE = 'RESTANTE_RELAY';

const RELAY = `
# rspamd trusts @HOSTNAME@, which keeps the mail of @SITE@ while this host is away.
# In its mail the client is the one of its Received field, and no more the client of this connection.
@ASSUMED@
# Assumed, too: the reverse name of each of them is @HOSTNAME@ (dig -x ADDRESS).
enabled = true;
rules {
  @RULE@ {
    strategy = "hostname_map";
    hostname_map = ["@HOSTNAME@"];
  }
}
`;

const GREYLIST = `
# Mail that @HOSTNAME@ hands over has waited already, and its client is not there to try again.
whitelist_symbols = ["@RULE@"];
# The same, if its client could not be read from its Received field.
whitelisted_ip = [@ADDRESSES@];
`;

const ARC = `
# What @HOSTNAME@ found of SPF, DKIM and DMARC when the mail came in is sealed by it (ARC); believe that seal.
whitelisted_signers_map = ["@SEAL@"];
`;

const README = `
rspamd trusts @HOSTNAME@, which keeps the mail of @SITE@ while this host is away
================================================================================

local.d/ holds what goes to /etc/rspamd/local.d/ on the primary. Where a file of that name is there already, add the lines to it. Then:
  rspamadm configtest && systemctl reload rspamd
Undo: remove them again, and reload.

To see it: mail that came by @HOSTNAME@ has the symbol @RULE@, and its R_SPF_… names the client that @HOSTNAME@ had. Without the symbol
the reverse name is another: dig -x ADDRESS. rspamd later than 3.4 may have the strategy "ip_map", which knows us by address instead.

With "pass_client: xclient" at @HOSTNAME@ and a Postfix that takes it (--for postfix), rspamd sees the client without this. It does no harm then.

@ASSUMED@
`;

export function rspamdFiles(plan: TrustPlan): Generated {
  const { hostname, site, assumed, addresses, helo, seal } = plan;
  // Who calls himself by our name is taken by `hostname_map` for a relay of ours, and the field below, which he wrote, for our word.
  if (helo === 'off')
    return unusable(
      `"helo: off" lets anybody call himself ${hostname}, and rspamd would believe the Received fields that he wrote: "helo: usual" first`,
    );
  const values = { HOSTNAME: hostname, SITE: site, RULE };
  const list = addresses.map((address) => `"${address}"`).join(', ');
  return {
    kind: 'ok',
    files: [
      file('README.txt', PLAIN, fill(README, { ...values, ASSUMED: assumed })),
      file('local.d/external_relay.conf', PLAIN, fill(RELAY, { ...values, ASSUMED: comment(assumed) })),
      file('local.d/greylist.conf', PLAIN, fill(GREYLIST, { ...values, ADDRESSES: list })),
      ...(seal === undefined ? [] : [file('local.d/arc.conf', PLAIN, fill(ARC, { ...values, SEAL: seal }))]),
    ],
    steps: [
      `give this folder to the primary of ${site}; README.txt says what to do there, and how it is undone`,
      `look that the reverse name of ${addresses.join(' and ')} is ${hostname}: rspamd knows us by it`,
    ],
  };
}
