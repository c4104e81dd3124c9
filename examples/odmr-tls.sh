#!/bin/sh
# Collects a site's mail by ODMR (RFC 2645) with STARTTLS, for a mail server that has no ATRN of its own, such as
# Postfix; fetchmail knows ODMR, but no STARTTLS for it. Logs in, turns the connection round, and joins it with the
# mail server here.
#   odmr-tls.sh HOST LOGIN PASSWORD-FILE DOMAIN[,DOMAIN…] [MAIL-SERVER:PORT]
# Needs openssl and socat. CA_FILE: what signs for HOST, if that is not one of the system's.
# Exit 0: the mail is here, or there was none. 1: not all of it, and why.
set -u
umask 077
host=$1 login=$2 password=$(head -n 1 "$3") domains=$4 server=${5:-127.0.0.1:25}
fail() { echo "odmr: $*" >&2; exit 1; }
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
mkfifo "$work/in" "$work/out" || exit 1
set -- -quiet -starttls smtp -connect "$host:366" -servername "$host" -verify_hostname "$host" -verify_return_error
[ -n "${CA_FILE:-}" ] && set -- "$@" -CAfile "$CA_FILE"
openssl s_client "$@" <"$work/in" >"$work/out" 2>"$work/err" &
exec 3>"$work/in" 4<"$work/out"
# A reply's last line; the shell reads no further than that, so what follows is left for socat.
reply() {
  while IFS= read -r line <&4; do
    line=$(printf '%s' "$line" | tr -d '\r')
    case $line in [2-5]??\ *) return 0 ;; esac
  done
  fail "no connection to $host: $(tail -n 1 "$work/err")"
}
ask() { printf '%s\r\n' "$*" >&3; reply; }
ask "EHLO $(uname -n)"
printf 'AUTH PLAIN %s\r\n' "$(printf '\000%s\000%s' "$login" "$password" | openssl base64 -A)" >&3
while reply; do case $line in 235\ *) break ;; [45]*) fail "$line" ;; esac; done
ask "ATRN $domains"
case $line in
250\ *) ;;
453\ *) echo "$line"; exit 0 ;;
*) fail "$line" ;;
esac
# Now we are the server: what the mail server here says goes there, and the other way.
socat - "TCP:$server" <&4 >&3 || fail "the connection broke"
exec 3>&-
