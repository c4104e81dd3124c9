#!/bin/sh
# STARTTLS for fetchmail's ODMR, which has none of its own (and its "ssl" stops in the middle of a mail: it does not see
# what its TLS has read already). In fetchmailrc, instead of "ssl":
#   plugin "/etc/fetchmail-starttls.sh mx2.example.net %h %p [CA-FILE]"
# The first word is the name in the server's certificate, which is checked. Needs openssl.
set -u
name=$1 host=$2 port=$3
set -- -quiet -starttls smtp -connect "$host:$port" -servername "$name" -verify_hostname "$name" \
  -verify_return_error ${4:+-CAfile "$4"}
# The greeting came before TLS, and fetchmail waits for one.
printf '220 %s in TLS\r\n' "$name"
exec openssl s_client "$@" 2>/dev/null
