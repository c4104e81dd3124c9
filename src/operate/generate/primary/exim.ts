/**
 * For Exim: the list of our addresses, which Debian's configuration has a place for, and for any other the lines for the main
 * section and for the ACL at RCPT. Exim knows no XCLIENT (4.96, Debian 12), so our address is exempted whatever we could say.
 */
import { file, fill, type Generated, PLAIN } from '../bundle.ts';
import { comment, type TrustPlan } from './plan.ts';

const MAIN = `
# Exim trusts @HOSTNAME@, which keeps the mail of @SITE@ while this host is away. For the main section:
#   .include_if_exists /etc/exim4/@HOSTNAME@.main
@ASSUMED@
hostlist @ID@_hosts = /etc/exim4/@HOSTNAME@.hosts
domainlist @ID@_domains = @DOMAINS@
`;

const ACL = `
# For the ACL that acl_smtp_rcpt names, ahead of SPF, dnslists, greylisting, ratelimit and sender checks:
#   .include_if_exists /etc/exim4/@HOSTNAME@.acl
# These would judge @HOSTNAME@, and not who sent the mail; @HOSTNAME@ has judged that already. It opens no relay: what is not for these
# domains goes on to your own rules, and is refused there. Recipients that do not exist are refused here.
  accept hosts   = +@ID@_hosts
         domains = +@ID@_domains
         endpass
         message = unknown user
         verify  = recipient
`;

const README = `
Exim trusts @HOSTNAME@, which keeps the mail of @SITE@ while this host is away
==============================================================================

@HOSTNAME@.hosts   its addresses, one a line
@HOSTNAME@.main    a list of hosts and one of domains, for the main section
@HOSTNAME@.acl     the exemption, for the ACL at RCPT

Debian's own configuration (update-exim4.conf) has a place for it. As root:
  cat @HOSTNAME@.hosts >>/etc/exim4/host_local_deny_exceptions
Undo: remove these lines from that file. Nothing has to be reloaded.

Any other configuration. As root:
  cp @HOSTNAME@.hosts @HOSTNAME@.main @HOSTNAME@.acl /etc/exim4/
and two lines in its file; they do no harm when the files are gone:
  .include_if_exists /etc/exim4/@HOSTNAME@.main      in the main section, ahead of "begin acl"
  .include_if_exists /etc/exim4/@HOSTNAME@.acl       in the ACL of acl_smtp_rcpt, ahead of SPF, dnslists, greylisting
Then: exim -bV, and reload. Undo: rm /etc/exim4/@HOSTNAME@.*, and reload.

If you have them:
  acl_smtp_connect, acl_smtp_helo, acl_smtp_mail     accept hosts = +@ID@_hosts      as their first line
  smtp_ratelimit_hosts, helo_verify_hosts            !+@ID@_hosts :                  in front of their value
  acl_smtp_data: what looks at the client (spf, dnslists, $sender_host_address)      !hosts = +@ID@_hosts  there, too

What the header says of where a mail was before (Received, Authentication-Results) is worth something in mail from these hosts only:
"hosts = +@ID@_hosts" belongs to each condition that reads it. In all other mail anybody can have written it.

@ASSUMED@
`;

export function eximFiles(plan: TrustPlan): Generated {
  const { hostname, site, assumed, addresses, domains } = plan;
  const values = {
    HOSTNAME: hostname,
    SITE: site,
    // Names of lists are letters, digits and "_".
    ID: `from_${hostname.replace(/[^a-z0-9]/gi, '_')}`,
    DOMAINS: domains.map((domain) => (domain.startsWith('.') ? `*${domain}` : domain)).join(' : '),
  };
  return {
    kind: 'ok',
    files: [
      file('README.txt', PLAIN, fill(README, { ...values, ASSUMED: assumed })),
      file(`${hostname}.hosts`, PLAIN, addresses.join('\n')),
      file(`${hostname}.main`, PLAIN, fill(MAIN, { ...values, ASSUMED: comment(assumed) })),
      file(`${hostname}.acl`, PLAIN, fill(ACL, values)),
    ],
    steps: [
      `give this folder to the primary of ${site}; README.txt says what to do there, and how it is undone`,
    ],
  };
}
