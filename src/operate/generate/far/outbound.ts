/**
 * Mail from the far end's MTA to us: one program for every MTA, and the lines that make each MTA call it. A mail goes as
 * a batch of one, so that addresses stand in its data and never on the command line of uux, where `(`, `<`, `;` and `|`
 * have meanings. RFC 2442: batch SMTP; RFC 6152: BODY=8BITMIME; RFC 6531: SMTPUTF8.
 */
import { file, fill, type GeneratedFile, PLAIN, PROGRAM } from '../bundle.ts';

export type Mta = 'postfix' | 'exim' | 'opensmtpd';
export const MTAS: readonly Mta[] = ['postfix', 'exim', 'opensmtpd'];
export const isMta = (word: string): word is Mta => MTAS.some((mta) => mta === word);

/** The end where the site's mail server is. */
export interface FarEnd {
  readonly name: string;
  /** What the far end calls us. */
  readonly near: string;
  readonly prefix: string;
  /** For mails and batches that are being worked on. */
  readonly state: string;
  readonly user: string;
  readonly sendmail: string;
  readonly mtas: readonly Mta[];
  readonly domains: readonly string[];
  /** A shell command that queues what it gets on standard input, a batch in `$work/batch`. */
  readonly queue: string;
}

const OUT = String.raw`
#!/bin/sh
# to-@PEER@ -f SENDER -- RECIPIENT...: the mail on standard input goes to @PEER@ at the next call. For mail servers.
# to-@PEER@ -E -- RECIPIENT...: the sender is the value of SENDER.
set -u
umask 077
LC_ALL=C PATH=/usr/bin:/bin:/usr/sbin:/sbin
export LC_ALL PATH
case @DOLLAR@{1:-} in
  -f) from=@DOLLAR@{2-} && shift 2 ;;
  -E) from=@DOLLAR@{SENDER-} && shift ;;
esac
[ $# -ge 2 ] && [ "$1" = -- ] || { echo "usage: $0 -f SENDER -- RECIPIENT..." >&2; exit 64; }
shift
from=@DOLLAR@{from#<}
from=@DOLLAR@{from%>}
[ "$from" != MAILER-DAEMON ] || from=
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
@QUEUE@ || exit 75
`;

const POSTFIX = `
# Postfix at @FAR@: mail for @DOMAINS@ is local here, all other mail goes to @NEAR@.
# 1. Append to /etc/postfix/master.cf:

restante-@NEAR@ unix -    n       n       -       20      pipe
  flags=q user=@USER@ argv=@PREFIX@/bin/to-@NEAR@ -f @DOLLAR@{sender} -- @DOLLAR@{recipient}

# 2. Run:
#    postconf -e 'default_transport = restante-@NEAR@' 'relayhost =' 'disable_dns_lookups = yes'
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

restante_@SAFE@:
  driver = accept
  domains = ! +local_domains
  transport = restante_@SAFE@

# 3. Transports (Debian: conf.d/transport):

restante_@SAFE@:
  driver = pipe
  command = @PREFIX@/bin/to-@NEAR@ -E -- @DOLLAR@pipe_addresses
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

action "restante-@NEAR@" mda "@PREFIX@/bin/to-@NEAR@ -E -- \\"@DOLLAR@RECIPIENT\\"" user @USER@ virtual { "@" = @USER@ }
match from local for any action "restante-@NEAR@"

# The domains that are local here have a match line of their own above it: @DOMAINS@
# "virtual" lets the action take mail for addresses of others. OpenSMTPD puts Return-Path and Delivered-To on top.
`;

const GLUE: Record<Mta, string> = { postfix: POSTFIX, exim: EXIM, opensmtpd: OPENSMTPD };

export function outboundFiles(far: FarEnd): GeneratedFile[] {
  const values = {
    PREFIX: far.prefix,
    STATE: far.state,
    NAME: far.name,
    FAR: far.name,
    NEAR: far.near,
    SAFE: far.near.replaceAll('-', '_'),
    PEER: far.near,
    USER: far.user,
    DOMAINS: far.domains.join(' '),
    DOLLAR: '$',
    QUEUE: far.queue,
  };
  return [
    file(`far/bin/to-${far.near}`, PROGRAM, fill(OUT, values)),
    ...far.mtas.map((mta) => file(`far/mta/${mta}.txt`, PLAIN, fill(GLUE[mta], values))),
  ];
}
