/**
 * For Postfix: a script that puts words into main.cf and takes them out again, and the tables that they name.
 *
 * Exempted, our address meets none of the restrictions about clients and senders: the table answers `reject_unauth_destination,
 * permit`, so that it relays nothing wherever its word stands. With XCLIENT nothing is exempted: Postfix judges the client that we name.
 */
import { isIPv6 } from 'node:net';
import { file, fill, type Generated, type GeneratedFile, PLAIN, PROGRAM } from '../bundle.ts';
import { comment, type TrustPlan } from './plan.ts';

// `put` and `take` know no more of a value than where their own words stand in it.
const SCRIPT = `
#!/bin/sh
# Postfix trusts @HOSTNAME@, which keeps the mail of @SITE@ while this host is away.
# Made by "restante generate primary @SITE@ --for postfix". On the primary, as root, in this folder:
#   sh trust.sh apply       sh trust.sh undo
@ASSUMED@
# It opens no relay: $mynetworks stays as it is, and mail for domains that are not yours is refused.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
etc=$(postconf -h config_directory)

# Our own words stand between commas, since "put" wrote them.
has() { case ", $(postconf -h "$1"), " in *", $2, "*) ;; *) return 1 ;; esac; }
# Puts words in front of a value, once.
put() {
  if has "$1" "$2"; then return; fi
  now=$(postconf -h "$1")
  postconf -e "$1 = $2\${now:+, $now}"
}
# Takes them out; what is left as Postfix has it by itself is not written down.
take() {
  has "$1" "$2" || return 0
  now=", $(postconf -h "$1"), "
  rest="\${now%%", $2, "*}, \${now#*", $2, "}"
  rest=\${rest#, } rest=\${rest%, }
  if [ "$rest" = "$(postconf -dh "$1")" ]; then postconf -X "$1"; else postconf -e "$1 = $rest"; fi
}

# What is changed: each line is a setting, and what is put into it.
each() {
@CHANGES@
}

case \${1:-} in
  apply)
    for table in @TABLES@; do cp "$here/$table" "$etc/$table"; chmod 644 "$etc/$table"; done
    each put ;;
  undo)
    each take
    for table in @TABLES@; do rm -f "$etc/$table"; done ;;
  *) echo 'sh trust.sh apply, or sh trust.sh undo' >&2; exit 2 ;;
esac
postfix check
# A Postfix that is not running reads it when it starts.
if postfix status 2>/dev/null; then postfix reload; fi
`;

const LIMITS = `  # A backlog comes fast: no limits by the hour or minute for it (anvil).
  "$1" smtpd_client_event_limit_exceptions '@ADDRESSES@'
  # postscreen, if it is used: no DNS blocklists and no greeting test for it.
  "$1" postscreen_access_list "cidr:$etc/@POSTSCREEN@"`;

const XCLIENT = `  # It may say by XCLIENT for which client it speaks. SPF, blocklists and greylisting judge that client, and so does the log. Whoever
  # holds @HOSTNAME@ can name any client, also one of $mynetworks.
  "$1" smtpd_authorized_xclient_hosts '@ADDRESSES@'`;

const XFORWARD = `  # It may say by XFORWARD who its client was, for the log and for content filters. It changes no decision.
  "$1" smtpd_authorized_xforward_hosts '@ADDRESSES@'`;

const EXEMPTION = `  # In front of policy services (SPF, greylisting), blocklists and checks of the client's name: these would judge @HOSTNAME@, and not
  # who sent the mail. @HOSTNAME@ has judged that already. Recipients that do not exist are still refused. A check_recipient_access of yours
  # comes behind it, and is passed by: move it to the front of smtpd_recipient_restrictions by hand, if you need it.
  for list in smtpd_client_restrictions smtpd_helo_restrictions smtpd_sender_restrictions smtpd_recipient_restrictions; do
    [ -z "$(postconf -h "$list")" ] || "$1" "$list" "check_client_access cidr:$etc/@EXEMPT@"
  done`;

const TABLE = `
# @HOSTNAME@, and what it meets. Part of what "sh trust.sh apply" did; "sh trust.sh undo" removes it.
@ROWS@
`;

export function postfixFiles(plan: TrustPlan): Generated {
  const { hostname, site, assumed } = plan;
  const exempt = plan.passClient !== 'xclient';
  const names = { EXEMPT: `${hostname}.cidr`, POSTSCREEN: `${hostname}-postscreen.cidr` };
  const tables = [
    table(plan, names.POSTSCREEN, 'permit'),
    // RFC 5321 §3.6.2: relaying is decided here, also if the word stands before everything else.
    ...(exempt ? [table(plan, names.EXEMPT, 'reject_unauth_destination, permit')] : []),
  ];
  const changes = [
    ...(plan.passClient === 'xclient' ? [XCLIENT] : []),
    ...(plan.passClient === 'xforward' ? [XFORWARD] : []),
    ...(exempt ? [EXEMPTION] : []),
    LIMITS,
  ].join('\n');
  const values = {
    HOSTNAME: hostname,
    SITE: site,
    ASSUMED: comment(assumed),
    ADDRESSES: plan.addresses.map((address) => (isIPv6(address) ? `[${address}]` : address)).join(', '),
    TABLES: tables.map(({ path }) => path).join(' '),
    ...names,
  };
  const script = fill(fill(SCRIPT, { ...values, CHANGES: changes }), values);
  return {
    kind: 'ok',
    files: [file('trust.sh', PROGRAM, script), ...tables],
    steps: [
      `give this folder to the primary of ${site}; there, as root: sh trust.sh apply`,
      ...(exempt
        ? [
            `a policy service that is asked elsewhere (smtpd_data_restrictions, master.cf) has a list of its own: "Whitelist = ${plan.addresses.join(',')}" in policyd-spf.conf, /etc/postgrey/whitelist_clients.local. Milters too: for rspamd use --for rspamd`,
          ]
        : []),
      `when something is odd, and before other settings of ours are applied, there: sh trust.sh undo`,
    ],
  };
}

const table = ({ hostname, addresses }: TrustPlan, name: string, action: string): GeneratedFile =>
  file(
    name,
    PLAIN,
    fill(TABLE, {
      HOSTNAME: hostname,
      ROWS: addresses.map((address) => `${address}${isIPv6(address) ? '/128' : '/32'} ${action}`).join('\n'),
    }),
  );
