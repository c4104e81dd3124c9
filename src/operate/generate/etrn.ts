/**
 * The caller's side of a site that calls for its mail: a script for POSIX sh, and how it is hung into Postfix and
 * sendmail. Over HTTPS with the site's token (curl), or by SMTP with a login over TLS and ETRN (openssl), for
 * sites whose mail server cannot authenticate an ETRN. A pure function; writes nothing.
 *
 * Promises of the script: the secret stands in a file of its own and never on a command line; the server's
 * certificate is checked before the secret is sent; exit 0 when the call was taken, else 1 and the reason.
 */

export interface EtrnWishes {
  readonly site: string;
  readonly domains: readonly string[];
  /** The server's name, also in its certificate. */
  readonly hostname: string;
  readonly way: { readonly kind: 'https' | 'smtp'; readonly port: number };
  readonly login: string;
}

export interface GeneratedFile {
  readonly name: string;
  readonly mode: number;
  readonly text: string;
}

/** Without the file `secret`, which is the caller's to write, or the command's. */
export function generateEtrn(wishes: EtrnWishes): GeneratedFile[] {
  const body = wishes.way.kind === 'https' ? HTTPS : SMTP;
  return [
    { name: 'call', mode: 0o700, text: `${head(wishes)}${body}` },
    { name: 'README', mode: 0o644, text: readme(wishes) },
  ];
}

const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

function head({ site, hostname, way, login }: EtrnWishes): string {
  return `#!/bin/sh
# Calls for the mail of the site ${site} at ${hostname}. Made by "restante generate etrn".
#   call [--to ADDRESS]     ADDRESS: where the mail is to go, if not to where this call comes from
# May be linked into the hooks of ppp and NetworkManager: their own words are let be.
# Exit 0: called. 1: not, and why. Beside it: secret, and ca.pem if the server's certificate signs itself.
set -u
umask 077
# NetworkManager tells of lines that go down, too.
case \${NM_DISPATCHER_ACTION:-up} in up | vpn-up) ;; *) exit 0 ;; esac
here=$(CDPATH='' cd -- "$(dirname -- "$(readlink -f -- "$0")")" && pwd) || exit 1
name=${quoted(hostname)}
site=${quoted(site)}
login=${quoted(login)}
# Where to connect, and from which of our addresses.
at=\${CALL_AT:-$name:${way.port}}
from=\${CALL_FROM:-}
address=
[ "\${1:-}" = --to ] && address=\${2:-}
secret=$(head -n 1 "$here/secret") || exit 1
fail() { echo "call: $*" >&2; exit 1; }
`;
}

// The secret goes in by standard input: a command line can be read by everybody on the machine.
const HTTPS = `
set -- --silent --show-error --max-time 60 --config - --connect-to "::$at" --write-out '\\n%{http_code}'
[ -f "$here/ca.pem" ] && set -- "$@" --cacert "$here/ca.pem"
[ -n "$from" ] && set -- "$@" --interface "$from"
data='{}'
[ -n "$address" ] && data="{\\"address\\":\\"$address\\"}"
said=$(printf 'header = "Authorization: Bearer %s"\\n' "$secret" |
  curl "$@" --request POST --data "$data" "https://$name/call/$site") || fail "no connection to $at"
code=$(printf '%s\\n' "$said" | tail -n 1)
[ "$code" = 200 ] || fail "$at answers $code: $(printf '%s\\n' "$said" | head -n 1)"
printf '%s\\n' "$said" | head -n 1
`;

const SMTP = `
[ -z "$address" ] || fail 'by SMTP the mail goes to where the call comes from'
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"; kill "$watch" 2>/dev/null' EXIT
mkfifo "$work/in" "$work/out" || exit 1
( sleep 60; kill $$ ) >/dev/null 2>&1 &
watch=$!
set -- -quiet -crlf -starttls smtp -connect "$at" -servername "$name" -verify_hostname "$name" -verify_return_error
[ -f "$here/ca.pem" ] && set -- "$@" -CAfile "$here/ca.pem"
[ -n "$from" ] && set -- "$@" -bind "$from:0"
openssl s_client "$@" <"$work/in" >"$work/out" 2>"$work/err" &
exec 3>"$work/in" 4<"$work/out"
# Reads on to a last line that begins with one of these codes; any refusal ends it.
await() {
  while IFS= read -r line <&4; do
    line=$(printf '%s' "$line" | tr -d '\\r')
    for code in "$@"; do case $line in "$code "*) return 0 ;; esac; done
    case $line in [45]??\\ *) fail "$line" ;; esac
  done
  fail "no connection to $at: $(tail -n 1 "$work/err")"
}
echo 'EHLO caller' >&3
printf 'AUTH PLAIN %s\\n' "$(printf '\\000%s\\000%s' "$login" "$secret" | openssl base64 -A)" >&3
await 235
echo "ETRN #$site" >&3
await 250 251 252 253
echo "$line"
echo QUIT >&3
exec 3>&-
`;

function readme({ site, domains, hostname, way, login }: EtrnWishes): string {
  const secret =
    way.kind === 'https'
      ? `The file "secret" holds the token of the site.`
      : `Write the password of the login "${login}" into a file "secret" here:\n  umask 077; cat >secret`;
  return `The site ${site} (${domains.join(', ')}) calls for its mail at ${hostname}.

Put this folder on the machine that receives the mail, readable by root alone. ${secret}
Then:
  ./call          says what lies there, and the mail comes

When the line comes up: link it into what your system runs then (ln -s).
  ppp                  /etc/ppp/ip-up.d/call
  NetworkManager       /etc/NetworkManager/dispatcher.d/90-call
  every quarter hour   */15 * * * *   root   /etc/call/call >/dev/null

Postfix, which receives the mail (main.cf). It takes ETRN from others, and sends none: "postqueue -s" and "sendmail -qR"
are for its own queue. The script calls; so does fetchmail ("protocol etrn"), without a login.
  mydestination = $myhostname, localhost, ${domains.filter((d) => !d.startsWith('.')).join(', ')}
  # ${hostname} hands over what others sent: its address is not the sender's.
  smtpd_client_restrictions = check_client_access inline:{{ ${hostname} = permit }}

sendmail, which receives the mail: the domains go into /etc/mail/local-host-names. Its own etrn asks without a login,
where the site's "etrn: { callers: … }" lets it:
  etrn ${hostname} ${domains[0] ?? ''}
`;
}
