# shellcheck shell=bash disable=SC2034,SC2154  # variables are shared with lab
# Sourced by lab: hosts outside the clusters, for workloads that are not in Kubernetes.
#
# A machine is a Debian of its own (the base of the images, below a layer that takes its changes) behind the bridge as router: on one
# network it reaches pods, on two only nodes and load balancers. Istio's agent and Envoy are installed; /host is this machine, read-only.

# The files below all machines, unpacked once: with the server that the workloads in pods have, too.
machine_base() {
  local d=$IMG/machine key f
  for f in base.tar faketime.tar envoy_bootstrap.json; do [ -f "$IMG/$f" ] || die "$IMG/$f is missing: run hack/lab/build"; done
  key="$(stat -c '%s %Y' "$IMG/base.tar" "$IMG/faketime.tar") $(sha256sum < "$HERE/echo.c")"
  [ "$(cat "$d.key" 2>/dev/null)" != "$key" ] || return 0
  rm -rf "$d" "$d.key"
  mkdir -p "$d/host" "$d/opt/lab" "$d/var/lib/istio/envoy" "$d/etc/istio"
  tar -xf "$IMG/base.tar" -C "$d" --exclude='./dev/*'
  tar -xf "$IMG/faketime.tar" -C "$d"
  cp "$IMG/envoy_bootstrap.json" "$d/var/lib/istio/envoy/envoy_bootstrap_tmpl.json"
  "${CC:-cc}" -O2 -static -pthread -o "$d/usr/local/bin/echo-server" "$HERE/echo.c"
  ln -s /opt/lab/pilot-agent /opt/lab/envoy "$d/usr/local/bin/"
  echo "$key" > "$d.key"
}

# machine_up NAME: a new one, or one that was stopped, with its disk emptied
machine_up() {
  local n=$1 i
  [ -n "$n" ] || die "which machine?"
  check_name "$n"
  [ -e "/run/netns/${PREFIX}net" ] || die "no lab is up"
  if [ -f "$RUN/$n/machine" ] && [ ! -e "/run/netns/$PREFIX$n" ]; then
    i=$(cat "$RUN/$n/machine")
    rm -rf "${RUN:?}/$n"
  else
    [ ! -e "$RUN/$n" ] || die "$n exists"
    i=$(($(find "$RUN" -mindepth 2 -maxdepth 2 -name machine | wc -l) + 1))
  fi
  with_images exclusive machine_base
  mkdir -p "$RUN/$n"
  echo "$i" > "$RUN/$n/machine"
  vars "$n"
  mkdir -p "$R/upper/etc" "$R/work" "$R/root"
  echo "$n" > "$R/upper/etc/hostname"
  printf '127.0.0.1 localhost\n172.31.%s.2 %s\n' "$i" "$n" > "$R/upper/etc/hosts"
  # the router, where nothing answers: what is resolved is so by the agent, which takes over what goes to a name server
  echo "nameserver 172.31.$i.1" > "$R/upper/etc/resolv.conf"
  machine_start
  echo "172.31.$i.2"
}

# machine_start: switches machine $C on. What it wrote is there, but for /run and /tmp; no process runs.
machine_start() {
  local i=$MACHINE
  [ ! -e "/run/netns/$PREFIX$C" ] || die "$C is running"
  cgroups_up
  ip netns add "$PREFIX$C"
  ip -n "${PREFIX}net" link add name "$C" type veth peer name eth0 netns "$PREFIX$C"
  ip -n "${PREFIX}net" addr add "172.31.$i.1/24" dev "$C"
  ip -n "${PREFIX}net" link set dev "$C" up
  ip -n "$PREFIX$C" link set lo up
  ip -n "$PREFIX$C" addr add "172.31.$i.2/24" dev eth0
  ip -n "$PREFIX$C" link set eth0 up
  ip -n "$PREFIX$C" route add default via "172.31.$i.1"

  rm -f "$R/held"
  HOLDER=
  # With process numbers of its own: what a machine ends is never somebody else's. The first of them takes what loses its parent.
  # shellcheck disable=SC2016  # expanded by that shell
  start holder unshare --mount --uts --pid --fork --kill-child --propagation private bash -ec '
    hostname "$4"
    mount -t overlay overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work" "$2/root"
    mount --rbind / "$2/root/host"; mount -o remount,bind,ro "$2/root/host"
    mount --bind "$3" "$2/root/opt/lab"; mount -o remount,bind,ro "$2/root/opt/lab"
    mount -t proc proc "$2/root/proc"
    mount --rbind /dev "$2/root/dev"
    mount --rbind /sys "$2/root/sys"
    mount -t tmpfs tmpfs "$2/root/run"; mount -t tmpfs tmpfs "$2/root/tmp"
    touch "$2/held"
    sleep infinity & while :; do wait; done' bash "$IMG/machine" "$R" "$BIN" "$C"
  until_ok 5 holder test -e "$R/held"
}

# machine_stop: switches machine $C off, as a power cut would; the rules of its firewall go as well
machine_stop() {
  kill_all "$C"
  ip -n "${PREFIX}net" link del dev "$C"
  ip netns del "$PREFIX$C"
}

# machine_exec CMD...: CMD on machine $C, in place of this process
machine_exec() {
  local holder; holder=/proc/$(cat "$R/parts/holder.pid")/ns
  exec nsenter --net="/run/netns/$PREFIX$C" --mount="$holder/mnt" --uts="$holder/uts" --pid="$holder/pid_for_children" \
    chroot "$R/root" /usr/bin/env -i HOME=/root TERM="${TERM:-dumb}" PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@"
}
