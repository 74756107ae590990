# shellcheck shell=bash disable=SC2034,SC2154  # variables are shared with lab
# Sourced by lab: the bridge and what reaches what.
#
# The bridge lies in a namespace of its own without a link to the machine's network, and clusters have no default route:
# nothing can leave, the machine's own firewall plays no part, and removing the namespaces removes all of it.

network_up() { # NAME...
  local c
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
    netin "$c" iptables -w -t nat -N LAB
    netin "$c" iptables -w -t nat -A POSTROUTING -o eth0 -j LAB
  done
  wire
}

# wire: routes between the pods of clusters on one network, which know each other by their own addresses. To all others there is no
# route, and what goes there leaves as its node. Machines reach pods only where all clusters are on one network.
wire() {
  local c d net pod ip rules all=()
  mapfile -t all < <(clusters)
  local one=1
  [ "$(cat "$RUN"/*/network | sort -u | wc -l)" = 1 ] || one=
  for c in "${all[@]}"; do
    vars "$c"
    net=$NETWORK pod=$POD
    if [ $one ]; then ip -n "${PREFIX}net" route replace "$POD" via "$IP"; else ip -n "${PREFIX}net" route del "$POD" 2>/dev/null || :; fi
    rules=${one:+$'-A LAB -d 172.31.0.0/16 -j RETURN\n'}
    for d in "${all[@]}"; do
      [ "$d" != "$c" ] || continue
      vars "$d"
      if [ "$NETWORK" = "$net" ]; then
        ip -n "$PREFIX$c" route replace "$POD" via "$IP"
        rules+="-A LAB -d $POD -j RETURN"$'\n'
      else
        ip -n "$PREFIX$c" route del "$POD" 2>/dev/null || :
      fi
    done
    printf '*nat\n-F LAB\n%s-A LAB -s %s -j MASQUERADE\nCOMMIT\n' "$rules" "$pod" | netin "$c" iptables-restore -w -n
  done
}
