#!/bin/bash
# netlab.sh - an "internet in a box": several hosts on one machine, each with its own
# network, mount, pid, uts and ipc namespaces, its own address and its own copy-on-write
# view of this machine's root (overlayfs), joined by one switch nobody else can reach.
#   netlab.sh up [HOST...]      build (or complete) the lab; running hosts are left as they are
#   netlab.sh down [HOST...]    end it (kills each host's init => every process inside goes)
#   netlab.sh exec HOST CMD...  run CMD inside HOST (as root, in HOST's root file system)
#   netlab.sh link HOST up|down pull/plug HOST's cable (connects then time out / no route)
#   netlab.sh status            one line per host
#   netlab.sh root HOST         path of HOST's root as seen from outside (/proc/PID/root)
# Hosts are read from $NETLAB_CONF/hosts ("name v4 [v6] [more addresses...]"); the tree
# $NETLAB_CONF/NAME/root/ is copied over HOST's root and $NETLAB_CONF/NAME/start is run in it.
# $NETLAB_BIND: directories shared read/write with the outside, each "DIR" or "OUTSIDE:INSIDE" (default: /tmp only).
set -u
here=$(cd "$(dirname "$0")" && pwd)
NETLAB_CONF=${NETLAB_CONF:-$here/netlab.d}
NETLAB_DIR=${NETLAB_DIR:-$here/netlab.run}
NETLAB_BIND=${NETLAB_BIND:-/tmp}
NETLAB_NS=${NETLAB_NS:-dns}          # first entry is the resolver: see hosts file
sw=$NETLAB_DIR/sw.pid

die() { echo "netlab: $*" >&2; exit 1; }
[ "$(id -u)" = 0 ] || die "needs root (CAP_SYS_ADMIN, CAP_NET_ADMIN)"
pid() { local p; p=$(cat "$NETLAB_DIR/$1.pid" 2>/dev/null) && [ -n "$p" ] && kill -0 "$p" 2>/dev/null && echo "$p"; }
names() { awk '!/^#/ && NF {print $1}' "$NETLAB_CONF/hosts"; }
addrs() { awk -v h="$1" '$1==h {for(i=2;i<=NF;i++) print $i}' "$NETLAB_CONF/hosts"; }
v4() { addrs "$1" | grep -v : | head -1; }

switch_up() {
  pid sw >/dev/null && return
  unshare --net --kill-child --fork sleep infinity </dev/null >/dev/null 2>&1 &
  local outer=$! p=
  for _ in $(seq 100); do p=$(pgrep -P $outer -x sleep) && break; sleep .02; done
  [ -n "$p" ] || die "no switch"
  echo "$p" > "$sw"; disown
  nsenter -t "$p" -n sh -c 'ip link add br0 type bridge forward_delay 0 mcast_snooping 0; ip link set br0 up; ip link set lo up'
}

host_up() {
  local h=$1 d=$NETLAB_DIR/$1 p= outer
  pid "$h" >/dev/null && return
  [ -n "$(addrs "$h")" ] || die "no host $h in $NETLAB_CONF/hosts"
  rm -rf "$d"; mkdir -p "$d/upper" "$d/work" "$d/merged"
  # one init per host; when it dies the kernel kills all that runs in its pid namespace
  NETLAB_BIND="$NETLAB_BIND" setsid unshare --mount --uts --ipc --net --pid --fork --kill-child --propagation private \
    bash -c '
      set -e; d=$1 h=$2
      mount -t overlay overlay -o "lowerdir=/,upperdir=$d/upper,workdir=$d/work" "$d/merged"
      m=$d/merged
      mount -t proc proc "$m/proc"; mount -t sysfs sysfs "$m/sys" 2>/dev/null || true
      mount -t tmpfs -o mode=755 tmpfs "$m/dev"; mkdir "$m/dev/shm" "$m/dev/pts"; ln -s /proc/self/fd "$m/dev/fd"
      ln -s /proc/self/fd/1 "$m/dev/stdout"; ln -s /proc/self/fd/2 "$m/dev/stderr"; ln -s pts/ptmx "$m/dev/ptmx"
      for n in null zero full random urandom tty; do : > "$m/dev/$n"; mount --bind "/dev/$n" "$m/dev/$n"; done
      mount -t tmpfs -o mode=1777 tmpfs "$m/dev/shm"; mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts "$m/dev/pts"
      mount -t tmpfs tmpfs "$m/run" ; mkdir -p "$m/run/lock"
      for b in $NETLAB_BIND; do s=${b%%:*} t=${b#*:}; mkdir -p "$m$t"; mount --bind "$s" "$m$t"; done
      hostname "$h.example.test"; mkdir -p "$m/netlab.old"
      pivot_root "$m" "$m/netlab.old"; cd /; umount -l /netlab.old; rmdir /netlab.old 2>/dev/null || true
      : > /run/netlab-init-ready
      exec perl -e "\$0=q(netlab-init $h); \$SIG{CHLD}=q(IGNORE); sleep 3600 while 1"   # an init: ignored CHLD = orphans reaped
    ' init "$d" "$h" </dev/null >"$d/init.log" 2>&1 &
  outer=$!; disown
  for _ in $(seq 200); do p=$(pgrep -P $outer) && [ -e "/proc/$p/root/run/netlab-init-ready" ] && break; sleep .02; done
  [ -e "/proc/$p/root/run/netlab-init-ready" ] || { cat "$d/init.log"; die "host $h did not start"; }
  echo "$p" > "$NETLAB_DIR/$h.pid"
  local swp; swp=$(pid sw)
  # the veth is made straight inside the two namespaces: nothing shows up outside
  # (a fixed hardware address, so that a host rebuilt is not hidden behind its neighbours' ARP caches)
  nsenter -t "$swp" -n ip link add "p-$h" type veth peer name eth0 netns "$p" \
    address "$(v4 "$h" | awk -F. '{printf "02:19:%02x:%02x:%02x:%02x",$1,$2,$3,$4}')" || die "veth $h"
  nsenter -t "$swp" -n ip link set "p-$h" master br0 up
  nsenter -t "$p" -n sh -c 'sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.eth0.accept_dad=0; ip link set lo up; ip link set eth0 up'
  local a; for a in $(addrs "$h"); do
    case $a in *:*) nsenter -t "$p" -n ip -6 addr add "$a/64" dev eth0 nodad;; *) nsenter -t "$p" -n ip addr add "$a/24" dev eth0;; esac
  done
  run "$h" sh -c "printf 'nameserver %s\noptions edns0 trust-ad timeout:2 attempts:2\n' $(v4 "$NETLAB_NS") > /etc/resolv.conf
    printf '127.0.0.1 localhost\n%s %s.example.test %s\n' $(v4 "$h") $h $h > /etc/hosts; echo $h.example.test > /etc/mailname
    printf 'hosts: files dns\npasswd: files\ngroup: files\nservices: files\nprotocols: files\n' > /etc/nsswitch.conf"
  # /dev/log -> /var/log/syslog of this host (for what only knows syslog(3))
  run "$h" setsid perl -MIO::Socket::UNIX -e '$s=IO::Socket::UNIX->new(Type=>SOCK_DGRAM,Local=>"/dev/log") or die; chmod 0666,"/dev/log"; open F,">>/var/log/syslog"; F->autoflush(1); while(1){$s->recv($b,65536); $b=~s/^<\d+>//; print F "$b\n"}' </dev/null >/dev/null 2>&1 &
  [ -d "$NETLAB_CONF/$h/root" ] && tar -C "$NETLAB_CONF/$h/root" -cf - . | run "$h" tar -C / --no-same-owner -xf -
  if [ -f "$NETLAB_CONF/$h/start" ]; then
    run "$h" bash -s < "$NETLAB_CONF/$h/start" > "$d/start.log" 2>&1 || echo "netlab: $h: start ended with $? (see $d/start.log)" >&2
  fi
}
host_down() { local p; if p=$(pid "$1"); then kill -9 "$p"; for _ in $(seq 100); do kill -0 "$p" 2>/dev/null || break; sleep .02; done; fi
  [ -n "$(pid sw)" ] && nsenter -t "$(pid sw)" -n ip link del "p-$1" 2>/dev/null; rm -rf "$NETLAB_DIR/$1.pid" "${NETLAB_DIR:?}/$1"; }
run() { local h=$1 p; shift; p=$(pid "$h") || die "host $h is not up"
  ${replace:-} nsenter -t "$p" -m -u -i -n -p -r -w env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 TERM="${TERM:-dumb}" "$@"; }

cmd=${1:-}; [ $# -gt 0 ] && shift
case $cmd in
  up)   mkdir -p "$NETLAB_DIR"; switch_up; for h in ${*:-$(names)}; do host_up "$h"; done ;;
  down) all=$#; for h in ${*:-$(names)}; do host_down "$h"; done
        if [ "$all" = 0 ]; then p=$(pid sw) && kill -9 "$p"; rm -rf "$NETLAB_DIR"; fi; : ;;
  exec) replace=exec run "$@" ;;
  link) swp=$(pid sw) || die "not up"; nsenter -t "$swp" -n ip link set "p-$1" "$2" ;;
  status) for h in $(names); do printf '%-9s %-7s %s\n' "$h" "$(pid "$h" || echo down)" "$(addrs "$h" | tr '\n' ' ')"; done ;;
  root) p=$(pid "$1") || die "host $1 is not up"; echo "/proc/$p/root" ;;
  *) sed -n '2,14p' "$0"; exit 2 ;;
esac
