/**
 * The far end's rmail, rsmtp and rcsmtp: POSIX shell for any MTA that has a sendmail command. Debian has no rsmtp.
 *
 * They promise: addresses reach sendmail as arguments of their own, never through a shell; what looks like an option,
 * a pipe or a file goes to the postmaster instead; a batch is taken apart before its first mail is handed over; when
 * sendmail cannot take a mail now, the job is kept (exit 75), and the mails before it are not handed over again; what
 * sendmail refuses for good is kept in a folder. RFC 2442: batch SMTP.
 */
import { file, fill, type GeneratedFile, PROGRAM } from '../bundle.ts';
import type { FarEnd } from './outbound.ts';

/** Read by the three programs; it hands over one mail. */
const DELIVER = String.raw`
# Read by rmail and rsmtp, which uuxqt and nncp-toss run. Sysexits: 65 bad data, 75 try again.
set -u
umask 077
LC_ALL=C PATH=/usr/sbin:/usr/bin:/sbin:/bin
export LC_ALL PATH
# RESTANTE_SENDMAIL is for test.sh.
sendmail=@DOLLAR@{RESTANTE_SENDMAIL:-@SENDMAIL@}
state=@STATE@
say() { echo "$0: $*" >&2; logger -t restante-mail -p mail.warning -- "$*" 2>/dev/null || true; }
room() {
  [ -d "$state" ] || mkdir -p "$state" || exit 75
  work=$(mktemp -d "$state/in.XXXXXX") || exit 75
  trap 'rm -rf "$work"' EXIT
  trap 'exit 75' HUP INT PIPE TERM
}
# Prints an address if it is one, else postmaster: no option, pipe, file or include is ever named by mail.
harmless() {
  case $1 in
    -* | '|'* | /* | :* | '' | *[[:cntrl:]]*) say "a recipient that is no address was given to the postmaster"; echo postmaster ;;
    *@*) printf '%s\n' "$1" ;;
    *) say "a recipient without a domain was given to the postmaster"; echo postmaster ;;
  esac
}
# deliver MAIL: MAIL.from is its sender, MAIL.to its recipients, one a line.
deliver() {
  set -- "$1" -i -f "$(cat "$1.from")" --
  while IFS= read -r to; do
    set -- "$@" "$(harmless "$to")"
  done < "$1.to"
  mail=$1
  shift
  "$sendmail" "$@" < "$mail" && return 0
  code=$?
  case $code in
    64 | 65 | 67 | 68)
      kept=$(mktemp -d "$state/refused.XXXXXX") && cp "$mail" "$mail.from" "$mail.to" "$kept" || return 75
      say "sendmail refused a mail ($code): it is kept in $kept"
      return 0 ;;
  esac
  say "sendmail could not take a mail ($code): tried again later"
  return 75
}
`;

const RMAIL = String.raw`
#!/bin/sh
# rmail RECIPIENT...: one mail. Its first line says who sent it: From joe@example.org DATE remote from @PEER@
. @PREFIX@/bin/deliver.sh
[ $# -gt 0 ] || { say "rmail without a recipient"; exit 64; }
room
cat > "$work/whole" || exit 75
for to in "$@"; do printf '%s\n' "$to"; done > "$work/mail.to"
# The last From line is the oldest; an address without a domain, such as MAILER-DAEMON, is the null sender.
awk '!/^>?From / { exit } { from = $2 } END { print (from ~ /[^<]@[^>]/ ? from : "<>") }' "$work/whole" > "$work/mail.from"
awk 'body || !/^>?From / { body = 1; print }' "$work/whole" > "$work/mail" || exit 75
deliver "$work/mail"
`;

const RSMTP = String.raw`
#!/bin/sh
# A batch of mails (RFC 2442) on standard input, as it is or compressed by gzip or zstd.
. @PREFIX@/bin/deliver.sh
room
cat > "$work/job" || exit 75
case $(od -An -tx1 -N4 "$work/job" | tr -d ' ') in
  1f8b*) gzip -dc < "$work/job" > "$work/batch" || { say "the batch is damaged"; exit 65; } ;;
  28b52ffd) zstd -qdc < "$work/job" > "$work/batch" || { say "the batch is damaged, or zstd is not installed"; exit 75; } ;;
  *) mv "$work/job" "$work/batch" ;;
esac
# First all mails into files of their own; each has a number.
awk -v dir="$work" '
  function path(text,   i, c, quoted, from) {
    from = index(text, "<")
    if (!from) return ""
    for (i = from + 1; i <= length(text); i++) {
      c = substr(text, i, 1)
      if (quoted) { if (c == "\\") i++; else if (c == "\"") quoted = 0 }
      else if (c == "\"") quoted = 1
      else if (c == ">") return substr(text, from + 1, i - from - 1)
    }
    return ""
  }
  function bad(why) { print why > (dir "/bad"); exit }
  NR == 1 { crlf = /\r$/ }
  crlf { sub(/\r$/, "") }
  data && $0 == "." { data = 0; close(mail); print n > (dir "/count"); close(dir "/count"); next }
  data { sub(/^\./, ""); print > mail; next }
  { verb = toupper($0) }
  verb ~ /^MAIL FROM:/ {
    n++; to = 0; mail = dir "/" n
    from = path($0); print (from == "" ? "<>" : from) > (mail ".from"); close(mail ".from"); next
  }
  verb ~ /^RCPT TO:/ { if (!n) bad("RCPT before MAIL"); to++; print path($0) > (mail ".to"); next }
  verb ~ /^DATA/ {
    if (!to) bad("DATA without a recipient")
    close(mail ".to"); data = 1; printf "" > mail; next
  }
  verb ~ /^(EHLO|HELO|NOOP|QUIT|RSET|VRFY)/ { next }
  { bad("not understood: " substr($0, 1, 40)) }
  END { if (data) print "it ends within a mail" > (dir "/bad") }
' "$work/batch" || exit 75
# Then each is handed over. A job that is tried again goes on where it stopped.
mark=$state/done.$(cksum < "$work/batch" | tr ' ' -)
total=0 && [ ! -f "$work/count" ] || total=$(cat "$work/count")
n=0 && [ ! -s "$mark" ] || n=$(cat "$mark")
while [ "$n" -lt "$total" ]; do
  n=$((n + 1))
  deliver "$work/$n" || exit 75
  echo "$n" > "$mark.new" && mv "$mark.new" "$mark"
done
rm -f "$mark"
if [ -f "$work/bad" ]; then
  kept=$(mktemp "$state/damaged.XXXXXX") && cp "$work/batch" "$kept"
  say "a batch is damaged behind mail $total: $(cat "$work/bad"). It is kept in $kept"
  exit 65
fi
`;

const RCSMTP = `
#!/bin/sh
exec @PREFIX@/bin/rsmtp
`;

export function inboundFiles(far: FarEnd): GeneratedFile[] {
  const values = {
    PREFIX: far.prefix,
    STATE: far.state,
    PEER: far.near,
    SENDMAIL: far.sendmail,
    DOLLAR: '$',
  };
  const program = (name: string, text: string) => file(`far/bin/${name}`, PROGRAM, fill(text, values));
  return [
    program('deliver.sh', DELIVER),
    program('rmail', RMAIL),
    program('rsmtp', RSMTP),
    program('rcsmtp', RCSMTP),
  ];
}
