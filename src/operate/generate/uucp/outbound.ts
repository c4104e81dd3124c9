/**
 * Mail from the far end's MTA to us: one program for every MTA, and the lines that make each MTA call it. A mail goes as
 * a compressed batch of one, so that addresses stand in the job's data and never on uux's command line, where `(`, `<`,
 * `;` and `|` have meanings. RFC 2442: batch SMTP; RFC 6152: BODY=8BITMIME; RFC 6531: SMTPUTF8.
 */
import { file, fill, type GeneratedFile, PLAIN, PROGRAM } from '../bundle.ts';
import type { End, Mta } from './plan.ts';

const OUT = String.raw`
#!/bin/sh
# to-@PEER@ -f SENDER -- RECIPIENT...: the mail on standard input goes to @PEER@ at the next call. For MTAs.
set -u
umask 077
LC_ALL=C PATH=/usr/bin:/bin:/usr/sbin:/sbin
export LC_ALL PATH
[ $# -ge 4 ] && [ "$1" = -f ] && [ "$3" = -- ] || { echo "usage: $0 -f SENDER -- RECIPIENT..." >&2; exit 64; }
from=$2
shift 3
case $from in '' | '<>' | MAILER-DAEMON) from= ;; esac
bad=$(printf '%s' "$from$*" | tr -cd '\000-\037<>\177' | wc -c)
[ "$bad" -eq 0 ] || { echo "an address with a control character or a bracket" >&2; exit 65; }
work=$(mktemp -d "@STATE@/out.XXXXXX") || exit 75
trap 'rm -rf "$work"' EXIT
trap 'exit 75' HUP INT PIPE TERM
cat > "$work/mail" || exit 75
options=
if [ "$(tr -cd '\200-\377' < "$work/mail" | wc -c)" -gt 0 ]; then options=' BODY=8BITMIME'; fi
if [ "$(printf '%s' "$from$*" | tr -cd '\200-\377' | wc -c)" -gt 0 ]; then options="$options SMTPUTF8"; fi
{
  printf 'EHLO @NAME@\r\nMAIL FROM:<%s>%s\r\n' "$from" "$options"
  for to in "$@"; do printf 'RCPT TO:<%s>\r\n' "$to"; done
  printf 'DATA\r\n'
  awk '{ sub(/\r$/, ""); sub(/^\./, ".."); printf "%s\r\n", $0 }' "$work/mail" || exit 75
  printf '.\r\nQUIT\r\n'
} > "$work/batch" || exit 75
gzip -9 < "$work/batch" > "$work/job" || exit 75
uux@TELL@ -p -r -n '@PEER@!rcsmtp' < "$work/job" || exit 75
`;

const POSTFIX = `
# Postfix at @FAR@: mail for @DOMAINS@ is local here, all other mail goes to @NEAR@.
# 1. Append to /etc/postfix/master.cf:

restante-uucp unix -    n       n       -       20      pipe
  flags=q user=@USER@ null_sender=<> argv=@PREFIX@/bin/to-@NEAR@ -f @DOLLAR@{sender} -- @DOLLAR@{recipient}

# 2. Run:
#    postconf -e 'default_transport = restante-uucp' 'relayhost =' 'disable_dns_lookups = yes'
#    postfix reload
# 3. Mail from @NEAR@ comes by sendmail; the domains have to be yours:
#    postconf mydestination        (or virtual_mailbox_domains) must name: @DOMAINS@
# 4. The user @USER@ may name any sender; that is Postfix's default for sendmail -f.
`;

const EXIM = `
# Exim at @FAR@: mail for @DOMAINS@ is local here, all other mail goes to @NEAR@.
# 1. Main section (Debian: conf.d/main): @USER@ hands in mail of any sender.

trusted_users = @USER@

# 2. Routers, before dnslookup or smarthost (Debian: conf.d/router, a name below 200):

restante_uucp:
  driver = accept
  domains = ! +local_domains
  transport = restante_uucp

# 3. Transports (Debian: conf.d/transport):

restante_uucp:
  driver = pipe
  command = @PREFIX@/bin/to-@NEAR@ -f "<@DOLLAR@sender_address>" -- @DOLLAR@pipe_addresses
  user = @USER@
  batch_max = 100
  message_prefix =
  message_suffix =
  return_fail_output
  temp_errors = 75

# 4. local_domains has to name: @DOMAINS@
`;

const OPENSMTPD = `
# OpenSMTPD at @FAR@: mail for @DOMAINS@ is local here, all other mail goes to @NEAR@.
# Add to /etc/smtpd.conf (Debian: the same), the match line last:

action "restante-uucp" mda "@PREFIX@/bin/to-@NEAR@ -f '%{sender}' -- '%{rcpt}'" user @USER@
match from local for any action "restante-uucp"

# The domains that are local here have a match line of their own above it: @DOMAINS@
`;

const GLUE: Record<Mta, string> = { postfix: POSTFIX, exim: EXIM, opensmtpd: OPENSMTPD };

export function outboundFiles(
  plan: { readonly mtas: readonly Mta[]; readonly domains: readonly string[]; readonly user: string },
  end: End,
  peer: End,
): GeneratedFile[] {
  const values = {
    PREFIX: end.folders.prefix,
    STATE: end.folders.state,
    NAME: end.name,
    FAR: end.name,
    NEAR: peer.name,
    PEER: peer.name,
    USER: plan.user,
    DOMAINS: plan.domains.join(' '),
    DOLLAR: '$',
    TELL: end.folders.own ? ` -I ${end.folders.prefix}/config` : '',
  };
  return [
    file(`far/bin/to-${peer.name}`, PROGRAM, fill(OUT, values)),
    ...plan.mtas.map((mta) => file(`far/mta/${mta}.txt`, PLAIN, fill(GLUE[mta], values))),
  ];
}
