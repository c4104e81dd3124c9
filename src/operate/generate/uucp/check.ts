/** `test.sh`: looks at one end step by step, and says of the first thing that is wrong what it is and what to do. */
import { file, fill, type GeneratedFile, PROGRAM } from '../bundle.ts';
import { answers, calls, type End, other, type Plan, tell } from './plan.ts';

const HEAD = `
#!/bin/sh
# Looks at the @SIDE@ end, @NAME@, step by step. Run it as root@OR@.
#   sh test.sh         looks, and changes nothing@USAGE@
set -u
one=@DOLLAR@{1:-}
prefix=@PREFIX@
peer=@PEER@
user=@USER@
good=0 bad=0
ok() { good=$((good + 1)); echo "ok   $*"; }
no() { bad=$((bad + 1)); echo "NO   $1"; shift; for line in "$@"; do echo "     $line"; done; }
root() { [ "$(id -u)" = 0 ]; }
# as COMMAND...: by the user of UUCP, if we are root and may choose.
as() { if root; then setpriv --reuid="$user" --regid="$(id -g "$user")" --init-groups -- "$@"; else "$@"; fi; }
end() { echo; echo "$good good, $bad wrong"; [ "$bad" = 0 ]; exit; }

# 1. The programs
for program in @UUCICO@ /usr/sbin/uuxqt /usr/bin/uux /usr/bin/uustat; do
  if as test -x "$program"; then ok "$program is there"
  else no "$program is not there, or $user may not run it" "apt-get install uucp"; fi
done

# 2. The files, and who may read them
for name in config sys@FILES@; do
  if [ ! -f "$prefix/$name" ]; then no "$prefix/$name is not there" "sh install.sh"
  elif ! as test -r "$prefix/$name"; then no "$prefix/$name cannot be read by $user" "sh install.sh (as root)"
  elif [ "$name" != config ] && ! grep -q "^# begin restante $peer$" "$prefix/$name"; then
    no "$prefix/$name says nothing of $peer" "sh install.sh"
  else
    case $name in
      call | passwd)
        case $(stat -c %A "$prefix/$name") in
          *------) ;;
          *) no "$prefix/$name can be read by others: passwords stand in it" "chmod 400 $prefix/$name"; continue ;;
        esac ;;
    esac
    ok "$prefix/$name"
  fi
done
for folder in @SPOOL@ @STATE@; do
  if as test -w "$folder"; then ok "$folder belongs to $user"
  else no "$user cannot write to $folder" "sh install.sh (as root), or chown -R $user: $folder"; fi
done

# 3. Does UUCP understand them?
uuchk=/usr/lib/uucp/uuchk
if [ -x "$uuchk" ]; then
  told=$("$uuchk"@CHECK@ -s "$peer" 2>&1)
  case $told in
    *"rmail rsmtp rcsmtp"*) ok "UUCP knows $peer and the commands that it may run" ;;
    *) no "UUCP does not understand its files for $peer:" "$told" ;;
  esac
fi
for program in @PROGRAMS@; do
  if as test -x "$prefix/bin/$program"; then ok "$prefix/bin/$program can be run"
  else no "$prefix/bin/$program cannot be run by $user" "sh install.sh"; fi
done
failed=$(find @SPOOL@/.Failed @SPOOL@/.Corrupt -type f -path "*/$peer/*" 2>/dev/null | wc -l)
if [ "$failed" = 0 ]; then ok "no job from $peer has failed"
else no "$failed jobs from $peer have failed: they are kept in @SPOOL@/.Failed and .Corrupt" "@LOG@/Log says why"; fi
`;

const NEAR = `
# 4. Restante
if said=$(@RESTANTE@ check -c @CONFIG@ 2>&1); then ok "$said"
else no "the configuration of Restante is not good:" "$said"; fi
if as test -w @DOOR@/socket; then ok "@DOOR@/socket can be opened by $user"
else no "@DOOR@/socket is not there, or $user may not open it" "listen: { rmail: @DOOR@/socket } in @CONFIG@; is the server running?"; fi
`;

const ANSWERS = `
# 5. Does it answer calls?
case $(echo | as @UUCICO@ -l -D@TELL@ 2>/dev/null | head -c 60) in
  *ogin*) ok "uucico asks a caller for its login" ;;
  *) no "uucico does not ask for a login" "see @LOG@/Log" ;;
esac
if command -v socat >/dev/null 2>&1; then
  case $( (sleep 1; echo) | timeout 10 socat -T 5 - 'TCP:@HOST@:@PORT@' 2>/dev/null | head -c 60) in
    *ogin*) ok "port @PORT@ is answered" ;;
    *) no "nobody answers at @HOST@ port @PORT@" "systemctl enable --now restante-uucp.socket; or sh listen.sh; is a packet filter between?" ;;
  esac
else
  echo "-    port @PORT@ was not tried: socat is not installed"
fi
`;

const FAR = String.raw`
# 4. The mail server
if [ -x @SENDMAIL@ ]; then ok "@SENDMAIL@ is there"
else no "there is no @SENDMAIL@" "install a mail server: mail from @NEAR@ is given to its sendmail command"; fi
if trial=$(as mktemp -d @STATE@/trial.XXXXXX); then
  as sh -c 'cat > "$1/sendmail" && chmod 700 "$1/sendmail"' sh "$trial" <<'END'
#!/bin/sh
{ cat; printf '%s\n' "$@"; } > "$(dirname "$0")/got"
END
  printf 'HELO test\r\nMAIL FROM:<a@test.example>\r\nRCPT TO:<b@test.example>\r\nDATA\r\nSubject: test\r\n\r\n..a dot\r\n.\r\nQUIT\r\n' |
    gzip | as env RESTANTE_SENDMAIL="$trial/sendmail" "$prefix/bin/rcsmtp"
  got=$(as cat "$trial/got" 2>/dev/null | tr '\n' '|')
  if [ "$got" = 'Subject: test||.a dot|-i|-f|a@test.example|--|b@test.example|' ]; then ok "a batch is taken apart as it should be"
  else no "$prefix/bin/rcsmtp does not work:" "$got"; fi
  as rm -rf "$trial"
fi
kept=$(find @STATE@ -maxdepth 1 \( -name 'refused.*' -o -name 'damaged.*' \) 2>/dev/null | wc -l)
if [ "$kept" = 0 ]; then ok "no mail was refused by sendmail"
else no "$kept mails or batches were refused: they are kept in @STATE@" "look at them, then remove them"; fi
`;

const CALLS = `
# 6. A call
last() { tail -n 8 @LOG@/Log 2>/dev/null; }
if [ "$one" = call ]; then
  if as @UUCICO@ -D -S "$peer"@TELL@; then ok "the call to $peer was good"
  else
    why=$(last)
    case $why in
      *"onnection refused"*) hint="nobody answers at @HOST@ port @PORT@: is the other end's socket started?" ;;
      *"imed out"* | *"unreachable"*) hint="@HOST@ cannot be reached: network, packet filter?" ;;
      *"gethostbyname"* | *"getaddrinfo"* | *"nown host"* | *"not known"*) hint="the name @HOST@ is not known to the DNS here" ;;
      *"ogin failed"* | *"ad login"* | *"imed out in chat"*) hint="login or password differ: were both ends made in one go? Install both again" ;;
      *"unknown system"* | *"You are unknown"* | *"RYou are"*) hint="$peer does not know this end by the name @NAME@" ;;
      *"already"* | *"ocked"*) hint="another call is going on: wait for its end" ;;
      *"rong time"*) hint="sys says that $peer is not called by this end" ;;
      *"Permission denied"* | *"Host key"*) hint="ssh: see the far end's README.txt, 'ssh'" ;;
      *) hint="look at @LOG@/Log here and there" ;;
    esac
    no "the call to $peer failed" "$hint" "$why"
  fi
else
  echo "-    no call was made: sh test.sh call"
fi
said=$(/usr/bin/uustat@TELL@ -m 2>/dev/null | grep "^$peer ")
echo "-    last: @DOLLAR@{said:-no call so far}"
`;

export function checkFile(plan: Plan, end: End): GeneratedFile {
  const peer = other(plan, end);
  const calling = calls(plan, end);
  const answering = answers(plan, end) && plan.over === 'tcp';
  const listen = plan.listen.host === '::' || plan.listen.host === '0.0.0.0' ? '127.0.0.1' : plan.listen.host;
  const values: Record<string, string> = {
    SIDE: end.side,
    NAME: end.name,
    NEAR: plan.near.name,
    PEER: peer.name,
    PREFIX: end.folders.prefix,
    SPOOL: end.folders.spool,
    STATE: end.folders.state,
    DOOR: end.folders.door,
    LOG: end.folders.log,
    USER: plan.user,
    UUCICO: plan.uucico,
    SENDMAIL: plan.sendmail,
    RESTANTE: plan.restante,
    CONFIG: plan.config,
    TELL: tell(end),
    CHECK: tell(end),
    DOLLAR: '$',
    OR: end.folders.own ? `, or as the user that owns ${end.folders.prefix}` : '',
    USAGE: calling ? `\n#   sh test.sh call    calls ${peer.name} as well` : '',
    FILES: [
      calling ? ' port' : '',
      calling && plan.over === 'tcp' ? ' call' : '',
      answering ? ' passwd' : '',
    ].join(''),
    PROGRAMS: end.side === 'near' ? 'rmail rsmtp rcsmtp' : `rmail rsmtp rcsmtp to-${peer.name}`,
  };
  const parts = [fill(HEAD, values)];
  parts.push(fill(end.side === 'near' ? NEAR : FAR, values));
  if (answering) {
    const where =
      end.side === 'near'
        ? { host: listen, port: plan.listen.port }
        : { host: '127.0.0.1', port: end.reached?.port ?? 540 };
    parts.push(
      fill(ANSWERS, {
        ...values,
        HOST: where.host.includes(':') ? `[${where.host}]` : where.host,
        PORT: String(where.port),
      }),
    );
  }
  if (calling) {
    parts.push(
      fill(CALLS, { ...values, HOST: peer.reached?.host ?? '', PORT: String(peer.reached?.port ?? 0) }),
    );
  }
  return file(`${end.side}/test.sh`, PROGRAM, `${parts.join('')}\nend`);
}
