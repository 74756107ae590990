# shellcheck shell=bash disable=SC2034,SC2154  # variables are shared with lab
# Sourced by lab: hosts outside the clusters, for workloads that are not in Kubernetes.
#
# A machine is a Debian of its own (the base of the images, below a layer that takes its changes) behind the bridge as router: on one
# network it reaches pods, on two only nodes and load balancers. Istio's agent and Envoy are installed; /host is this machine, read-only.

# The files below all machines, unpacked once.
machine_base() {
  local d=$IMG/machine key; key=$(stat -c '%s %Y' "$IMG/base.tar")
  [ "$(cat "$d.key" 2>/dev/null)" != "$key" ] || return 0
  rm -rf "$d" "$d.key"
  mkdir -p "$d/host" "$d/opt/lab" "$d/var/lib/istio/envoy" "$d/etc/istio"
  tar -xf "$IMG/base.tar" -C "$d" --exclude='./dev/*'
  cp "$IMG/envoy_bootstrap.json" "$d/var/lib/istio/envoy/envoy_bootstrap_tmpl.json"
  ln -s /opt/lab/pilot-agent /opt/lab/envoy "$d/usr/local/bin/"
  echo "$key" > "$d.key"
}

machine_up() { # NAME
  local n=$1 i
  [ -n "$n" ] || die "which machine?"
  check_name "$n"
  [ -e "/run/netns/${PREFIX}net" ] || die "no lab is up"
  [ ! -e "$RUN/$n" ] || die "$n exists"
  with_images exclusive machine_base
  i=$(($(find "$RUN" -mindepth 2 -maxdepth 2 -name machine | wc -l) + 1))
  mkdir -p "$RUN/$n"
  echo $i > "$RUN/$n/machine"
  vars "$n"
  cgroups_up
  ip netns add "$PREFIX$n"
  ip -n "${PREFIX}net" link add name "$n" type veth peer name eth0 netns "$PREFIX$n"
  ip -n "${PREFIX}net" addr add "172.31.$i.1/24" dev "$n"
  ip -n "${PREFIX}net" link set dev "$n" up
  ip -n "$PREFIX$n" link set lo up
  ip -n "$PREFIX$n" addr add "172.31.$i.2/24" dev eth0
  ip -n "$PREFIX$n" link set eth0 up
  ip -n "$PREFIX$n" route add default via "172.31.$i.1"

  mkdir -p "$R/upper/etc" "$R/work" "$R/root"
  echo "$n" > "$R/upper/etc/hostname"
  printf '127.0.0.1 localhost\n172.31.%s.2 %s\n' "$i" "$n" > "$R/upper/etc/hosts"
  : > "$R/upper/etc/resolv.conf"
  HOLDER=
  # shellcheck disable=SC2016  # expanded by that shell
  start holder unshare --mount --propagation private sh -ec '
    mount -t overlay overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work" "$2/root"
    mount --rbind / "$2/root/host"; mount -o remount,bind,ro "$2/root/host"
    mount --bind "$3" "$2/root/opt/lab"; mount -o remount,bind,ro "$2/root/opt/lab"
    mount -t proc proc "$2/root/proc"
    mount --rbind /dev "$2/root/dev"
    mount --rbind /sys "$2/root/sys"
    mount -t tmpfs tmpfs "$2/root/run"; mount -t tmpfs tmpfs "$2/root/tmp"
    touch "$2/held"
    exec sleep infinity' sh "$IMG/machine" "$R" "$BIN"
  until_ok 5 holder test -e "$R/held"
  echo "172.31.$i.2"
}

# machine_exec CMD...: CMD on machine $C, in place of this process
machine_exec() {
  exec nsenter --net="/run/netns/$PREFIX$C" --mount="/proc/$(cat "$R/parts/holder.pid")/ns/mnt" \
    chroot "$R/root" /usr/bin/env -i HOME=/root TERM="${TERM:-dumb}" PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@"
}
