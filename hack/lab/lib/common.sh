# shellcheck shell=bash disable=SC2034,SC2154  # variables are shared with lab
# Sourced by lab: folders, processes and their cgroups.

CACHE=$(readlink -m "${MESHWRIGHT_CACHE:-$HOME/.cache/meshwright}")
LAB=$CACHE/lab BIN=$CACHE/lab/bin IMG=$CACHE/lab/img
# Several labs can be up at once, each knowing only its own by its names: of folder, network namespaces, cgroups and lock. The names
# of one lab are never the beginning of another's.
[[ ${MESHWRIGHT_LAB-} =~ ^[a-z0-9]{0,8}$ ]] || { echo "lab: MESHWRIGHT_LAB is up to 8 of a-z and 0-9" >&2; exit 1; }
RUN=$CACHE/lab/run${MESHWRIGHT_LAB:+.$MESHWRIGHT_LAB}
PREFIX=mwlab${MESHWRIGHT_LAB:+.$MESHWRIGHT_LAB}-
LOCK=/run/lock/${PREFIX}lock
# The hierarchy of cgroups that is read back as the list of processes.
if [ -f /sys/fs/cgroup/cgroup.controllers ]; then CGV=2 CGP=/sys/fs/cgroup; else CGV=1 CGP=/sys/fs/cgroup/pids; fi
export CONTAINERD_SUPPRESS_DEPRECATION_WARNINGS=true  # of ctr: each call would tell that cgroup v1 is old
BEGIN=${EPOCHREALTIME/[.,]/}

die() { echo "lab: $*" >&2; exit 1; }
lap() { # WHO WHAT: a line of progress
  local us=$((${EPOCHREALTIME/[.,]/} - BEGIN))
  printf '%-6s %-28s %4d.%d s\n' "$1" "$2" $((us / 1000000)) $((us / 100000 % 10))
}

check_name() { # of a cluster or machine: it names a link too, which may have 15 characters
  [[ $1 =~ ^[a-z][a-z0-9-]{0,11}$ ]] || die "a name is up to 12 of a-z, 0-9 and -: $1"
  if [ "$1" = net ] || [ "$1" = store ]; then die "the name $1 is the lab's own"; fi
}
check_network() { [[ $1 =~ ^[a-z0-9-]{1,32}$ ]] || die "a network is up to 32 of a-z, 0-9 and -: $1"; }

check_machine() {
  local c
  [ "$(id -u)" = 0 ] || die "needs root"
  for c in ip iptables sysctl nsenter unshare setsid openssl curl runc flock python3 cc conntrack; do
    command -v "$c" >/dev/null || die "$c is missing (make deps installs it)"
  done
  for c in etcd kube-{apiserver,controller-manager,scheduler,proxy} kubelet kubectl containerd ctr containerd-shim-runc-v2 coredns pilot-{agent,discovery} envoy \
    cni/{bridge,loopback,host-local,portmap}; do
    [ -x "$BIN/$c" ] || die "$BIN/$c is missing: run hack/lab/build"
  done
  # the longest path of a socket below a cluster's folder; the kernel takes 107 bytes
  c=$RUN/123456789012/kubelet/pod-resources/kubelet.sock
  [ ${#c} -le 107 ] || die "the path of the cache is too long for unix sockets: $CACHE"
}

# vars NAME: what is known of a cluster or a machine of the running lab. I: its number, R: its folder, CG: its cgroup, NETWORK: a word.
vars() {
  [ -n "${1-}" ] || die "which cluster?"
  C=$1 R=$RUN/$1 CG=$CGP/$PREFIX$1 MACHINE=''
  if [ -f "$R/machine" ]; then
    MACHINE=$(cat "$R/machine")
  elif [ -f "$R/index" ]; then
    I=$(cat "$R/index") NETWORK=$(cat "$R/network")
    IP=172.30.0.1$I POD=10.${I}1.0.0/16 SVC=10.${I}6.0.0/16 SVC1=10.${I}6.0.1 DNS=10.${I}6.0.10
  else
    die "$C is not up"
  fi
}
cluster() { vars "$@"; [ -z "$MACHINE" ] || die "$C is a machine, not a cluster"; }
clusters() { local f; for f in "$RUN"/*/index; do [ ! -f "$f" ] || basename "$(dirname "$f")"; done; }

# part NAME PART
part() {
  [ $# = 2 ] || die "usage: lab stop|start|freeze|thaw NAME PART"
  vars "$1"
  [ -f "$R/parts/$2.pid" ] || die "$1 has no part $2 (lab status)"
  PART=$2
}

netin() { local n=$1; shift; nsenter --net="/run/netns/$PREFIX$n" "$@"; }

# listed PID CGROUP: whether the process is one of the cgroup's; a number alone may be another's by now
listed() { grep -qxF "$1" "$2/host/cgroup.procs" 2>/dev/null; }

# with_images shared|exclusive CMD...: runs CMD while no other lab makes, or uses, what all labs have in common below $IMG
with_images() {
  local how=$1; shift
  exec 7>"$IMG/lock"
  flock "--$how" 7
  "$@"
  exec 7>&-
}

part_gone() { ! listed "$(cat "$R/parts/$1.pid")" "$CG"; }

# start PART CMD...: a daemon of $C in its namespaces and its cgroup, which all that it starts inherits. Its number, its command and
# its log stay in the folder. It leads a process group of its own and does not keep the locks.
start() {
  local n=$1; shift
  mkdir -p "$R/parts" "$R/log"
  printf '%q ' "$@" > "$R/parts/$n.cmd"
  (
    echo "$BASHPID" > "$CG/host/cgroup.procs"
    cd /
    exec setsid nsenter --net="/run/netns/$PREFIX$C" ${HOLDER:+--mount="/proc/$HOLDER/ns/mnt"} "$@"
  ) >>"$R/log/$n" 2>&1 </dev/null 7>&- 9>&- &
  echo $! > "$R/parts/$n.pid"
  disown  # its end is nobody's news
}

# signal_part SIGNAL: to the process group of $PART, that is without what only inherited the cgroup (the shims of containerd)
signal_part() {
  local p; p=$(cat "$R/parts/$PART.pid")
  listed "$p" "$CG" || die "$C: $PART is not running"
  kill -"$1" -- "-$p"
  if [ "$1" = KILL ]; then
    while listed "$p" "$CG"; do sleep .02; done
  fi
}

# until_ok SECONDS PART CMD...: repeats CMD until it succeeds
until_ok() {
  local end=$((SECONDS + $1 * ${MESHWRIGHT_LAB_PATIENCE:-1})) what=$2; shift 2  # more patience on a busy machine
  until "$@" >/dev/null 2>&1; do
    if [ $SECONDS -ge $end ]; then
      [ ! -f "$R/log/$what" ] || tail -n 5 "$R/log/$what" >&2
      die "$C: $what is not ready in time, see $R/log"
    fi
    sleep .1
  done
}

cgroups_up() {
  local f h
  if [ $CGV = 2 ]; then
    mkdir -p "$CG"
    for f in "$CGP" "$CG"; do
      for h in cpu cpuset memory pids io; do echo +$h > "$f/cgroup.subtree_control" 2>/dev/null || :; done
    done
  else
    # kubelet wants the root of its cgroups in each hierarchy, and cpuset takes no process before it has cpus and mems
    for h in cpu cpuacct cpuset memory pids blkio devices freezer systemd; do
      [ ! -d /sys/fs/cgroup/$h ] || mkdir -p "/sys/fs/cgroup/$h/$PREFIX$C"
    done
    for f in cpuset.cpus cpuset.mems; do cat /sys/fs/cgroup/cpuset/$f > "/sys/fs/cgroup/cpuset/$PREFIX$C/$f"; done
  fi
  mkdir -p "$CG/host"
}

# The kernel's list of the processes in a cgroup is the record of what was started: exact, after a killed run too.
kill_all() { # NAME
  local p d i
  for ((i = 0; i < 200; i++)); do
    p=$(find "$CGP/$PREFIX$1" -name cgroup.procs -exec cat {} + 2>/dev/null) || :
    [ -n "$p" ] || break
    # shellcheck disable=SC2086  # one process per word
    kill -9 $p 2>/dev/null || :
    sleep .03
  done
  find /sys/fs/cgroup -maxdepth 2 -type d -name "$PREFIX$1" | while read -r d; do
    find "$d" -depth -type d -exec rmdir {} + 2>/dev/null || :
  done
  [ ! -d "$CGP/$PREFIX$1" ] || die "$1: processes do not end: $p"
}

# Mounts need no care: they were made in mount namespaces that end with their last process.
clear_all() {
  local d n
  for d in "$CGP/$PREFIX"*; do [ ! -d "$d" ] || kill_all "${d##*/"$PREFIX"}"; done
  for n in $(ip netns list | awk -v p="$PREFIX" 'index($1, p) == 1 {print $1}'); do ip netns del "$n"; done
  find "$RUN" -mindepth 1 -maxdepth 1 -exec rm -rf {} +
}
