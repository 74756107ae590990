# shellcheck shell=bash disable=SC2034,SC2154  # variables are shared with lab
# Sourced by lab: the network between the clusters.
#
# The bridge lies in a namespace of its own (net) that has no link to the machine's network, and clusters have no default route:
# nothing can leave, the machine's own firewall plays no part, and removing the namespaces removes all of it.

network_up() { # MODE NAME...
  local mode=$1 c d; shift
  ip netns add "${PREFIX}net"
  ip -n "${PREFIX}net" link set lo up
  ip -n "${PREFIX}net" link add br0 type bridge
  ip -n "${PREFIX}net" addr add 172.30.0.1/16 dev br0
  ip -n "${PREFIX}net" link set br0 up
  netin net sysctl -qw net.ipv4.ip_forward=1
  for c in "$@"; do
    vars "$c"
    ip netns add "$PREFIX$c"
    ip -n "${PREFIX}net" link add name "$c" type veth peer name eth0 netns "$PREFIX$c"
    ip -n "${PREFIX}net" link set dev "$c" master br0 up
    ip -n "$PREFIX$c" link set lo up
    ip -n "$PREFIX$c" addr add "$IP/16" dev eth0
    ip -n "$PREFIX$c" link set eth0 up
    # without a default route connect() to a service fails before kube-proxy's rules can rewrite the address
    ip -n "$PREFIX$c" route add "$SVC" dev eth0
    ip -n "$PREFIX$c" route add 172.31.0.0/16 via 172.30.0.1
    netin "$c" sysctl -qw net.ipv4.ip_forward=1
  done
  # One network: pods reach each other by their own addresses. Two: no route to the other's pods, and all leave as their node.
  for c in "$@"; do
    if [ "$mode" = same ]; then
      vars "$c"
      ip -n "${PREFIX}net" route add "$POD" via "$IP"
      netin "$c" iptables -w -t nat -A POSTROUTING -o eth0 -d 172.31.0.0/16 -j RETURN
      for d in "$@"; do
        [ "$d" != "$c" ] || continue
        vars "$d"
        ip -n "$PREFIX$c" route add "$POD" via "$IP"
        netin "$c" iptables -w -t nat -A POSTROUTING -o eth0 -d "$POD" -j RETURN
      done
    fi
    vars "$c"
    netin "$c" iptables -w -t nat -A POSTROUTING -s "$POD" -o eth0 -j MASQUERADE
  done
}
