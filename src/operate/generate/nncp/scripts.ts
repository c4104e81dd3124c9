/** What is run at an end of an NNCP line: install.sh, test.sh, carry.sh (exchange by files), systemd units. */
import { file, fill, type GeneratedFile, PLAIN, PROGRAM } from '../bundle.ts';
import { configOf, type NncpEnd, type NncpPlan, peerOf } from './plan.ts';

const INSTALL = `
#!/bin/sh
# Installs the @SIDE@ end of the NNCP line @NEAR@ <-> @FAR@. Run it as root, or as the user that runs NNCP
# if everything is below a folder of that user.
set -eu
umask 022
cd "$(dirname "$0")"
prefix=@PREFIX@
spool=@SPOOL@
state=@STATE@
user=@USER@
own=@OWN@

stop() { echo "install.sh: $*" >&2; exit 1; }
root() { [ "$(id -u)" = 0 ]; }
give() { if root; then chown "$2" "$3"; fi; chmod "$1" "$3"; }
folder() { [ -d "$3" ] || mkdir -p "$3"; give "$1" "$2" "$3"; }
put() { rm -f "$4.new"; (umask 077 && cp "$3" "$4.new") && give "$1" "$2" "$4.new" && mv "$4.new" "$4" && echo "  $4"; }

if root; then
  id -u "$user" >/dev/null 2>&1 || stop "there is no user $user here: install the package nncp first (apt-get install nncp)"
fi
if [ -f "$prefix/nncp.hjson" ] && ! grep -q @ID@ "$prefix/nncp.hjson"; then
  stop "this machine has an nncp.hjson with other keys: make these files again with @KEYS@ $prefix/nncp.hjson"
fi
echo "Written:"
folder 750 "root:$user" "$prefix"
# The group may hand in mail: whoever is in it, such as the mail server's user.
folder 2770 "$user:$user" "$spool"
folder 700 "$user:$user" "$state"
if [ -f nncp.hjson ]; then
  put 640 "$user:$user" nncp.hjson "$prefix/nncp.hjson"
elif ! grep -q @PEERID@ "$prefix/nncp.hjson"; then
  stop "put the lines of neigh.hjson into $prefix/nncp.hjson, then run this again"
fi
@DOORS@
if [ -d bin ]; then
  folder 755 root:root "$prefix/bin"
  for program in bin/*; do put 755 root:root "$program" "$prefix/$program"; done
fi
if root && [ $own = no ]; then
  [ -e /etc/nncp.hjson ] || ln -s "$prefix/nncp.hjson" /etc/nncp.hjson
  if [ -d /etc/systemd/system ]; then
    for unit in systemd/*; do put 644 root:root "$unit" "/etc/systemd/system/$(basename "$unit")"; done
    echo "To start:  systemctl daemon-reload && systemctl enable --now @ENABLE@"
  fi
fi
echo "Now: sh test.sh"
`;

const DOORS = `
# The server makes its socket in this folder, and $user may open it.
server=root
if id -u restante >/dev/null 2>&1; then server=restante; fi
folder 2750 "$server:$user" @DOOR@`;

const TEST = `
#!/bin/sh
# Looks at the @SIDE@ end, @NAME@, step by step. Run it as root, or as @USER@.
#   sh test.sh         looks, and changes nothing@USAGE@
set -u
one=@DOLLAR@{1:-}
prefix=@PREFIX@
config=@HJSON@
user=@USER@
good=0 bad=0
ok() { good=$((good + 1)); echo "ok   $*"; }
no() { bad=$((bad + 1)); echo "NO   $1"; shift; for line in "$@"; do echo "     $line"; done; }
root() { [ "$(id -u)" = 0 ]; }
as() { if root; then setpriv --reuid="$user" --regid="$(id -g "$user")" --init-groups -- "$@"; else "$@"; fi; }

# 1. The programs
for program in nncp-exec nncp-toss nncp-xfer nncp-stat; do
  if command -v $program >/dev/null; then ok "$program is there"
  else no "$program is not there" "apt-get install nncp"; fi
done

# 2. The configuration
if ! as test -r "$config"; then no "$config cannot be read by $user" "sh install.sh (as root)"
else
  case $(stat -c %A "$config") in
    *---) ok "$config is closed to others" ;;
    *) no "$config can be read by everyone: private keys stand in it" "chmod 640 $config" ;;
  esac
  if said=$(as nncp-stat -cfg "$config" 2>&1); then
    case $said in
      *@PEER@*) ok "NNCP knows @PEER@" ;;
      *) no "NNCP does not know @PEER@" "sh install.sh" ;;
    esac
  else no "NNCP does not understand $config:" "$said"; fi
fi
for folder in @SPOOL@ @STATE@; do
  if as test -w "$folder"; then ok "$folder belongs to $user"
  else no "$user cannot write to $folder" "sh install.sh (as root), or chown -R $user:$user $folder"; fi
done
@MORE@
echo
echo "$good good, $bad wrong"
[ "$bad" = 0 ]
`;

const NEAR = `
# 3. Restante
if said=$(@RESTANTE@ check -c @CONFIG@ 2>&1); then ok "$said"
else no "the configuration of Restante is not good:" "$said"; fi
if as test -w @DOOR@/socket; then ok "@DOOR@/socket can be opened by $user"
else no "@DOOR@/socket is not there, or $user may not open it" "listen: { rmail: @DOOR@/socket } in @CONFIG@; is the server running?"; fi

# 4. Does it answer calls?
if command -v socat >/dev/null 2>&1; then
  if socat -u OPEN:/dev/null 'TCP:@HOST@:@PORT@,connect-timeout=5' 2>/dev/null; then ok "port @PORT@ is answered"
  else echo "-    nobody answers at @HOST@ port @PORT@: @FAR@ can exchange files only"
    echo "     systemctl enable --now restante-nncp-daemon.service; is a packet filter between?"; fi
fi
as nncp-stat -cfg "$config" -node @PEER@ 2>/dev/null | sed 's/^/-    /'
`;

const FAR = `
# 3. The mail server
if [ -x @SENDMAIL@ ]; then ok "@SENDMAIL@ is there"
else no "there is no @SENDMAIL@" "install a mail server: mail from @NEAR@ is given to its sendmail command"; fi
kept=$(find @STATE@ -maxdepth 1 -name 'refused.*' -o -maxdepth 1 -name 'damaged.*' 2>/dev/null | wc -l)
if [ "$kept" = 0 ]; then ok "no mail was refused by sendmail"
else no "$kept mails or batches were refused: they are kept in @STATE@" "look at them, then remove them"; fi

# 4. A call
if [ "$one" = call ]; then
  # With -autotoss a good call can exit 1.
  if said=$(as nncp-call -cfg "$config" -quiet @PEER@ 2>&1); then
    ok "the call to @PEER@ was good"
    if said=$(as nncp-toss -cfg "$config" -quiet -node @PEER@ 2>&1); then ok "what came was handed over"
    else no "not all that came could be handed over" "$said"; fi
  else no "the call to @PEER@ failed" "$said" "does @HOST@ port @PORT@ answer?"; fi
else
  echo "-    no call was made: sh test.sh call"
fi
as nncp-stat -cfg "$config" -node @PEER@ 2>/dev/null | sed 's/^/-    /'
`;

const CARRY = `
#!/bin/sh
# carry.sh DIR: exchanges packets with @PEER@ by a folder, such as a USB stick's: takes what is there for us, leaves what
# is for @PEER@. Carry it there, run the other end's carry.sh, and bring it back. Nothing else than NNCP can read them.
set -eu
[ $# = 1 ] && [ -d "$1" ] || { echo "usage: carry.sh DIR" >&2; exit 2; }
as() { if [ "$(id -u)" = 0 ]; then setpriv --reuid=@USER@ --regid="$(id -g @USER@)" --init-groups -- "$@"; else "$@"; fi; }
# Root can write to any stick; the spool is @USER@'s again afterwards.
nncp-xfer -cfg @HJSON@ -quiet -mkdir -node @PEER@ "$1"
if [ "$(id -u)" = 0 ]; then chown -R @USER@:@USER@ @SPOOL@; fi
as nncp-toss -cfg @HJSON@ -quiet -node @PEER@
`;

const UNIT = `
[Unit]
Description=@WHAT@
Wants=network-online.target
After=network-online.target

[Service]
User=@USER@
Group=@USER@
UMask=0007
ExecStart=@RUN@
Restart=always
RestartSec=30

[Install]
WantedBy=multi-user.target
`;

interface Unit {
  readonly name: string;
  readonly what: string;
  readonly run: string;
}

export function unitsOf(plan: NncpPlan, end: NncpEnd): Unit[] {
  const { host, port } = plan.listen;
  const bind = `${host.includes(':') ? `[${host}]` : host}:${port}`;
  const config = configOf(end);
  const talks: Unit =
    end.side === 'near'
      ? {
          name: 'restante-nncp-daemon.service',
          what: 'Answers NNCP calls',
          run: `/usr/bin/nncp-daemon -cfg ${config} -noprogress -bind ${bind}`,
        }
      : {
          name: 'restante-nncp-caller.service',
          what: `Calls ${plan.near.name} by NNCP`,
          run: `/usr/bin/nncp-caller -cfg ${config} -noprogress`,
        };
  return [
    talks,
    {
      name: 'restante-nncp-toss.service',
      what: 'Hands over what came by NNCP',
      run: `/usr/bin/nncp-toss -cfg ${config} -noprogress -cycle 60`,
    },
  ];
}

export function scriptFiles(plan: NncpPlan, end: NncpEnd): GeneratedFile[] {
  const peer = peerOf(plan, end);
  const at = (name: string) => `${end.side}/${name}`;
  const listen = plan.listen.host === '::' || plan.listen.host === '0.0.0.0' ? '127.0.0.1' : plan.listen.host;
  const where = end.side === 'near' ? { host: listen, port: plan.listen.port } : plan.address;
  const units = unitsOf(plan, end);
  const values = {
    SIDE: end.side,
    NAME: end.name,
    NEAR: plan.near.name,
    FAR: plan.far.name,
    PEER: peer.name,
    ID: end.keys.id,
    PEERID: peer.keys.id,
    KEYS: end.side === 'near' ? '--join' : '--far-keys',
    PREFIX: end.prefix,
    HJSON: configOf(end),
    SPOOL: end.spool,
    STATE: end.state,
    DOOR: end.door,
    USER: plan.user,
    OWN: end.own ? 'yes' : 'no',
    SENDMAIL: plan.sendmail,
    RESTANTE: plan.restante,
    CONFIG: plan.config,
    HOST: where.host.includes(':') ? `[${where.host}]` : where.host,
    PORT: String(where.port),
    DOLLAR: '$',
    ENABLE: units.map((unit) => unit.name).join(' '),
    USAGE: end.side === 'far' ? `\n#   sh test.sh call    calls ${peer.name} as well` : '',
  };
  const more = fill(end.side === 'near' ? NEAR : FAR, values);
  return [
    file(
      at('install.sh'),
      PROGRAM,
      fill(INSTALL, { ...values, DOORS: end.side === 'near' ? fill(DOORS, values) : '' }),
    ),
    file(at('test.sh'), PROGRAM, fill(TEST, { ...values, MORE: more })),
    file(at('carry.sh'), PROGRAM, fill(CARRY, values)),
    ...units.map((unit) =>
      file(at(`systemd/${unit.name}`), PLAIN, fill(UNIT, { ...values, WHAT: unit.what, RUN: unit.run })),
    ),
  ];
}
