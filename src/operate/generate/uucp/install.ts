/**
 * `install.sh`: puts one end's files where they belong, with owners and modes. It merges: what other lines have in
 * the same files stays; running it again replaces what it wrote before.
 */
import { file, fill, type GeneratedFile, PROGRAM } from '../bundle.ts';
import { answers, type End, other, type Plan } from './plan.ts';

const INSTALL = `
#!/bin/sh
# Installs the @SIDE@ end of the UUCP line @NEAR@ <-> @FAR@. Run it as root, or as the user that runs uucico
# if everything is below a folder of that user. Run again, it replaces what it wrote before, and nothing else.
set -eu
umask 022
cd "$(dirname "$0")"
prefix=@PREFIX@
spool=@SPOOL@
log=@LOG@
public=@PUBLIC@
state=@STATE@
user=@USER@
peer=@PEER@
own=@OWN@

stop() { echo "install.sh: $*" >&2; exit 1; }
root() { [ "$(id -u)" = 0 ]; }
# give MODE OWNER FILE: only root can give files away.
give() { if root; then chown "$2" "$3"; fi; chmod "$1" "$3"; }
folder() { [ -d "$3" ] || mkdir -p "$3"; give "$1" "$2" "$3"; }
# put MODE OWNER FROM TO: never half a file.
put() { cp "$3" "$4.new" && give "$1" "$2" "$4.new" && mv "$4.new" "$4"; }
# merge MODE OWNER NAME MARK: our lines in $prefix/NAME between two marks; all other lines stay as they are.
merge() {
  to=$prefix/$3
  rm -f "$to.new"
  (umask 077 && : > "$to.new")
  if [ -f "$to" ]; then
    awk -v b="# begin restante $4" -v e="# end restante $4" '$0 == b { ours = 1 } !ours { print } $0 == e { ours = 0 }' "$to" > "$to.new"
  fi
  { echo "# begin restante $4"; cat "etc/$3"; echo "# end restante $4"; } >> "$to.new"
  give "$1" "$2" "$to.new"
  mv "$to.new" "$to"
  echo "  $to"
}

if root; then
  id -u "$user" >/dev/null 2>&1 || stop "there is no user $user here: install the package uucp first (apt-get install uucp)"
fi
if [ -f "$prefix/config" ]; then
  name=$(awk '$1 == "nodename" { print $2 }' "$prefix/config" | tail -n 1)
  if [ -n "$name" ] && [ "$name" != @NAME@ ]; then
    stop "this machine is already called $name in UUCP ($prefix/config), and these files were made for @NAME@: make them again with --@SIDE@-name $name"
  fi
fi

if [ $own = yes ]; then
  folder 755 "root:$user" "$prefix"
  folder 755 "$user:$user" "$spool"
  folder 755 "$user:$user" "$log"
  folder 755 "$user:$user" "$public"
else
  [ -d "$prefix" ] || mkdir -p "$prefix"
fi
folder 755 root:root "$prefix/bin"
folder 700 "$user:$user" "$state"
echo "Written:"
merge 644 root:root config node
merge 644 root:root sys "$peer"
[ ! -f etc/port ] || merge 644 root:root port "$peer"
# uucico opens them as its user: called by root it has not even the group.
for name in call passwd; do
  [ ! -f etc/$name ] || merge 400 "$user:$user" $name "$peer"
done
for program in bin/*; do
  put 755 root:root "$program" "$prefix/$program"
  echo "  $prefix/$program"
done
@MORE@
echo "Now: sh test.sh"
`;

const KEY_OF_PEER = `
# The key of @PEER@ may start uucico as @LOGIN@ and nothing else.
home=$(getent passwd "$user" | cut -d: -f6)
shell=$(getent passwd "$user" | cut -d: -f7)
keys=$home/.ssh/authorized_keys
folder 700 "$user:$user" "$home/.ssh"
grep -v ' uucp @PEER@$' "$keys" > "$keys.new" 2>/dev/null || true
cat ssh/authorized_keys >> "$keys.new"
give 600 "$user:$user" "$keys.new"
mv "$keys.new" "$keys"
echo "  $keys"
case $shell in
  */nologin | */false | '') echo "sshd starts nothing for $user while its shell is $shell. Do: usermod -s /bin/sh $user" ;;
esac`;

const KEY_OF_OURS = `
put 600 "$user:$user" ssh/key "$prefix/ssh-@PEER@"
echo "  $prefix/ssh-@PEER@"`;

const UNITS = `
if root && [ $own = no ] && [ -d /etc/systemd/system ]; then
  for unit in systemd/*; do
    put 644 root:root "$unit" "/etc/systemd/system/$(basename "$unit")"
    echo "  /etc/systemd/system/$(basename "$unit")"
  done
  echo "To start:  systemctl daemon-reload && systemctl enable --now @ENABLE@"
fi`;

const DOOR = `
# The server makes its socket in this folder, and $user may open it.
server=root
if id -u restante >/dev/null 2>&1; then server=restante; fi
folder 2750 "$server:$user" @DOOR@`;

const LISTEN = `
#!/bin/sh
# Answers calls without systemd or inetd, in the foreground: needs socat. Run it as root or @USER@.
run='@UUCICO@ -l -D@TELL@'
# As systemd does it, with the user's group: what uuxqt runs has to come through Restante's door.
if [ "$(id -u)" = 0 ]; then run="/usr/bin/setpriv --reuid=@USER@ --regid=$(id -g @USER@) --init-groups $run"; fi
exec socat "TCP-LISTEN:@PORT@,reuseaddr,fork,max-children=20@BIND@" "EXEC:$run,nofork"
`;

/** The programs that the machine starts by itself at this end, by their systemd names. */
export function unitsOf(plan: Plan, end: End): string[] {
  const units = [`restante-uucp-${other(plan, end).name}.timer`];
  if (answers(plan, end) && plan.over === 'tcp') units.unshift('restante-uucp.socket');
  return units;
}

export function installFiles(plan: Plan, end: End): GeneratedFile[] {
  const peer = other(plan, end);
  const { folders } = end;
  const values = {
    SIDE: end.side,
    NEAR: plan.near.name,
    FAR: plan.far.name,
    NAME: end.name,
    PEER: peer.name,
    PREFIX: folders.prefix,
    SPOOL: folders.spool,
    LOG: folders.log,
    PUBLIC: folders.public,
    STATE: folders.state,
    DOOR: folders.door,
    USER: plan.user,
    OWN: folders.own ? 'yes' : 'no',
    LOGIN: end.login.name,
    UUCICO: plan.uucico,
    TELL: folders.own ? ` -I ${folders.prefix}/config` : '',
    ENABLE: unitsOf(plan, end).join(' '),
  };
  const more = [
    end.side === 'near' ? DOOR : '',
    end.key ? KEY_OF_OURS : '',
    peer.key ? KEY_OF_PEER : '',
    UNITS,
  ];
  const files = [
    file(`${end.side}/install.sh`, PROGRAM, fill(INSTALL, { ...values, MORE: fill(more.join(''), values) })),
  ];
  if (answers(plan, end) && plan.over === 'tcp') {
    const where = end.side === 'near' ? plan.listen : { host: '::', port: end.reached?.port ?? 540 };
    const bind =
      where.host === '::'
        ? ',pf=ip6,ipv6only=0'
        : `,bind=${where.host.includes(':') ? `[${where.host}]` : where.host}`;
    files.push(
      file(
        `${end.side}/listen.sh`,
        PROGRAM,
        fill(LISTEN, { ...values, PORT: String(where.port), BIND: bind }),
      ),
    );
  }
  return files;
}
