#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# install.sh below a folder of its own, with programs that only write down how they were called. Prints what cmocka prints,
# so that hack/run-tests counts it.
# shellcheck disable=SC2016,SC2317 # stubs are programs in quotes; tests are called by name
set -u
cd "$(dirname "$(readlink -f "$0")")" || exit 1
SCRIPT=$PWD/install.sh
TMP=$(mktemp -d) || exit 1
trap 'rm -rf "$TMP"' EXIT

fail() { printf '%s\n' "$*" "--- output:" "$(cat "$TMP/out" 2>/dev/null)" "--- calls:" "$(cat "$TMP/calls" 2>/dev/null)"; exit 1; }

b64url() { base64 -w0 | tr '+/' '-_' | tr -d =; }
token() { # IAT EXP
  printf '%s.%s.%s' "$(printf '{"alg":"RS256"}' | b64url)" \
    "$(printf '{"aud":["istio-ca"],"exp":%d,"iat":%d,"iss":"x","kubernetes.io":{"namespace":"b?>"},"nbf":%d}' "$2" "$1" "$1" | b64url)" c2ln
}

# stub NAME [CODE]: a program that notes its call, and then does as CODE says.
stub() { printf '#!/bin/bash\necho "%s $*" >> "%s"\n%s\n' "${1##*/}" "$TMP/calls" "${2:-}" > "$BIN/$1"; chmod +x "$BIN/$1"; }

# A fresh machine, on which all checks pass, and a bundle for it.
setup() {
  rm -rf "${TMP:?}"/*
  NOW=$(date +%s)
  ROOT=$TMP/root BIN=$TMP/bin B=$TMP/bundle
  mkdir -p "$ROOT/etc" "$ROOT/var/lib/istio/envoy" "$ROOT/run" "$BIN" "$B"
  printf '127.0.0.1 localhost\n10.0.0.9 other\n' > "$ROOT/etc/hosts"
  echo '{}' > "$ROOT/var/lib/istio/envoy/envoy_bootstrap_tmpl.json"
  stub id 'echo 0'
  stub getent
  stub useradd
  stub groupadd
  stub userdel
  stub chown
  stub iptables
  stub timeout
  stub curl 'exit 7'
  stub openssl 'exit 1'
  stub envoy
  stub pilot-agent '[ "$1" != proxy ] || env | grep -E "^(ISTIO|PROV|OUTPUT|CA_|INST|POD)" | sort > '"$TMP/agent.env"
  stub setpriv 'while [[ $1 == --* ]]; do shift; done; exec "$@"'
  stub setsid
  stub hostname 'if [ "$1" = -I ]; then echo "10.0.0.5 10.9.9.9"; else echo vm-1; fi'
  stub ip 'exit 1'
  cp "$SCRIPT" "$B/install.sh"
  echo 'a root' > "$B/root-cert.pem"
  token "$NOW" $((NOW + 3600)) > "$B/istio-token"
  printf "ISTIO_META_DNS_CAPTURE='true'\nISTIO_NAMESPACE='billing'\nISTIO_SERVICE_CIDR='*'\nPOD_NAMESPACE='billing'\nX='it'\"'\"'s'\n" > "$B/cluster.env"
  echo 'defaultConfig: {}' > "$B/mesh.yaml"
  echo '10.1.0.200 istiod.istio-system.svc' > "$B/hosts"
}

run() { # ARGUMENTS: the exit status is kept
  : > "$TMP/calls"
  MESHWRIGHT_ROOT=$ROOT ISTIO_BIN_BASE=$BIN PATH=$BIN:$PATH "${PROGRAM:-$B/install.sh}" "$@" > "$TMP/out" 2>&1
}
ok() { run "$@" || fail "install.sh $* failed"; }
refused() { # TEXT ARGUMENTS: it says TEXT and has changed nothing
  local text=$1; shift
  find "$ROOT" | sort > "$TMP/before"
  run "$@" && fail "install.sh $* should have failed: $text"
  grep -qF -- "$text" "$TMP/out" || fail "it does not say '$text'"
  find "$ROOT" | sort | cmp -s - "$TMP/before" || fail "files have changed"
}
called() { grep -qF -- "$1" "$TMP/calls" || fail "not called: $1"; }
not_called() { ! grep -qF -- "$1" "$TMP/calls" || fail "called: $1"; }
same() { cmp -s "$1" "$2" || fail "$1 differs from $2"; }
mode() { [ "$(stat -c %a "$2")" = "$1" ] || fail "$2 has mode $(stat -c %a "$2"), not $1"; }
lines() { [ "$(grep -c -- "$1" "$2")" = "$3" ] || fail "$2 has not $3 lines of $1"; }

test_files_in_place() {
  ok
  same "$B/root-cert.pem" "$ROOT/etc/certs/root-cert.pem"
  same "$B/istio-token" "$ROOT/var/run/secrets/tokens/istio-token"
  same "$B/cluster.env" "$ROOT/var/lib/istio/envoy/cluster.env"
  same "$B/mesh.yaml" "$ROOT/etc/istio/config/mesh"
  [ -d "$ROOT/etc/istio/proxy" ] || fail "no /etc/istio/proxy"
  mode 600 "$ROOT/var/run/secrets/tokens/istio-token"
  mode 700 "$ROOT/var/lib/meshwright/machine"
  grep -qx '10.1.0.200 istiod.istio-system.svc' "$ROOT/etc/hosts" || fail "hosts"
  called "chown istio-proxy:istio-proxy $ROOT/etc/istio/proxy"
  called "chown istio-proxy:istio-proxy $ROOT/var/run/secrets/tokens/istio-token.new"
  called "setsid $ROOT/usr/local/lib/meshwright/machine supervise"
  not_called useradd
}

test_twice() {
  ok
  ok
  lines 'istiod' "$ROOT/etc/hosts" 1
  lines 'meshwright' "$ROOT/etc/hosts" 2
}

# The agent adds the roots of other meshes; that is no reason to start it anew, and no other bundle.
test_roots_that_the_agent_added_stay() {
  mkdir -p "$ROOT/run/systemd/system" "$ROOT/etc/systemd/system"
  stub systemctl
  ok
  echo 'another root' >> "$ROOT/etc/certs/root-cert.pem"
  ok
  not_called 'systemctl restart'
  lines 'another root' "$ROOT/etc/certs/root-cert.pem" 1
  echo 'a new root' > "$B/root-cert.pem"
  ok
  called 'systemctl restart'
  same "$B/root-cert.pem" "$ROOT/etc/certs/root-cert.pem"
}

test_newer_bundle_replaces() {
  ok
  echo '10.1.0.222 istiod.istio-system.svc' > "$B/hosts"
  echo 'defaultConfig: {statusPort: 1}' > "$B/mesh.yaml"
  ok
  lines '10.1.0.200' "$ROOT/etc/hosts" 0
  lines '10.1.0.222' "$ROOT/etc/hosts" 1
  same "$B/mesh.yaml" "$ROOT/etc/istio/config/mesh"
}

test_no_start() {
  ok --no-start
  not_called setsid
  same "$B/mesh.yaml" "$ROOT/etc/istio/config/mesh"
}

test_undo() {
  mkdir -p "$ROOT/etc/istio/config"
  echo 'mine' > "$ROOT/etc/istio/config/mesh"
  cp "$ROOT/etc/hosts" "$TMP/hosts"
  find "$ROOT" | sort > "$TMP/before"
  ok
  ok
  echo key > "$ROOT/etc/certs/key.pem"
  ok --undo
  called "pilot-agent istio-iptables --cleanup-only"
  same "$TMP/hosts" "$ROOT/etc/hosts"
  grep -qx mine "$ROOT/etc/istio/config/mesh" || fail "the old mesh file is not back"
  find "$ROOT" | sort | diff - "$TMP/before" > "$TMP/diff" || fail "left behind: $(cat "$TMP/diff")"
  ok --undo
  grep -q 'nothing is installed' "$TMP/out" || fail "undone twice"
}

test_undo_with_the_installed_copy() {
  ok
  PROGRAM=$ROOT/usr/local/lib/meshwright/machine ok --undo
  [ ! -e "$ROOT/etc/certs/root-cert.pem" ] || fail "the root is still there"
}

test_user_is_made_and_removed() {
  stub getent '[ -e '"$TMP/user"' ]'
  stub useradd "touch $TMP/user"
  stub userdel "rm $TMP/user"
  ok
  called 'useradd --system --gid istio-proxy'
  ok
  not_called useradd
  ok --undo
  called 'userdel istio-proxy'
}

test_refresh() {
  ok
  cp "$ROOT/var/run/secrets/tokens/istio-token" "$TMP/token"
  rm "$B/istio-token"
  echo '10.1.0.222 istiod.istio-system.svc' > "$B/hosts"
  echo 'new roots' > "$B/root-cert.pem"
  ok --refresh
  lines '10.1.0.222' "$ROOT/etc/hosts" 1
  same "$B/root-cert.pem" "$ROOT/etc/certs/root-cert.pem"
  same "$TMP/token" "$ROOT/var/run/secrets/tokens/istio-token"
  called setsid
}

test_refresh_of_nothing() { refused 'nothing is installed here to refresh' --refresh; }

test_check_changes_nothing() {
  find "$ROOT" | sort > "$TMP/before"
  ok --check
  find "$ROOT" | sort | cmp -s - "$TMP/before" || fail "files have changed"
  grep -q 'all checks passed' "$TMP/out" || fail "says nothing"
}

test_not_root() { stub id 'echo 1000'; refused 'needs root'; refused 'needs root' --undo; }
test_no_envoy() { rm "$BIN/envoy"; refused "envoy is missing"; }
test_no_template() { rm "$ROOT/var/lib/istio/envoy/envoy_bootstrap_tmpl.json"; refused 'envoy_bootstrap_tmpl.json is missing'; }
test_no_file() { rm "$B/mesh.yaml"; refused 'mesh.yaml is not beside this script'; }
test_no_nat() { stub iptables 'echo "Permission denied" >&2; exit 4'; refused 'nat table (Permission denied)'; }
test_own_iptables() { stub iptables 'exit 4'; echo "ISTIO_CUSTOM_IP_TABLES='true'" >> "$B/cluster.env"; ok; }
test_unreachable() { stub timeout 'exit 124'; refused "istiod can't be reached at 10.1.0.200 port 15012"; }

test_second_address() {
  stub timeout '[[ "$*" == *10.1.0.201* ]]'
  echo '10.1.0.201 istiod.istio-system.svc' >> "$B/hosts"
  ok
}

test_no_address() {
  : > "$B/hosts"
  stub getent '[ "$1" = passwd ]'
  refused 'does not know where istiod is'
  stub getent
  ok # a DNS server knows it
  lines meshwright "$ROOT/etc/hosts" 0
}

test_token_ended() {
  token $((NOW - 7200)) $((NOW - 3600)) > "$B/istio-token"
  refused 'the token of this bundle ended'
  grep -q 'the clock is ahead' "$TMP/out" || fail "does not speak of the clock"
}

test_token_ended_and_clock_known() {
  stub curl "printf 'HTTP/1.1 200 OK\r\nDate: $(date -u -d "@$NOW" '+%a, %d %b %Y %T GMT')\r\n\r\n'"
  token $((NOW - 7200)) $((NOW - 3600)) > "$B/istio-token"
  refused ' min ago: make a new bundle'
  ! grep -q 'ahead' "$TMP/out" || fail "speaks of the clock, which is right"
}

test_clock_behind_by_token() {
  token $((NOW + 3600)) $((NOW + 7200)) > "$B/istio-token"
  refused 'min behind: the token was made at'
}

test_clock_ahead_by_gateway() {
  stub curl "printf 'HTTP/1.1 503 No\r\ndate: $(date -u -d "@$((NOW - 3600))" '+%a, %d %b %Y %T GMT')\r\n\r\n'"
  refused "min ahead of the mesh's"
  refused "min ahead of the mesh's" --check
}

test_clock_behind_by_gateway() {
  stub curl "printf 'HTTP/1.1 503 No\r\ndate: $(date -u -d "@$((NOW + 3600))" '+%a, %d %b %Y %T GMT')\r\n\r\n'"
  refused "min behind the mesh's"
}

test_clock_behind_by_root() {
  stub openssl "echo 'notBefore=$(date -u -d "@$((NOW + 86400))" '+%b %d %T %Y GMT')'"
  refused "the mesh's root is good from"
}

test_small_skew_is_fine() {
  token $((NOW + 200)) $((NOW + 3800)) > "$B/istio-token"
  ok
}

test_no_token() { echo garbage > "$B/istio-token"; refused 'is no token'; }

test_hosts_damaged() {
  ok
  sed -i '/machine: end/d' "$ROOT/etc/hosts"
  run && fail "a damaged block was accepted"
  grep -q 'repair it by hand' "$TMP/out" || fail "says nothing"
  grep -q 'other' "$ROOT/etc/hosts" || fail "lines of others are lost"
}

test_old_line_is_told() {
  echo '10.3.3.3 istiod.istio-system.svc' >> "$ROOT/etc/hosts"
  ok
  grep -q 'has another line for istiod.istio-system.svc' "$TMP/out" || fail "says nothing"
  lines '10.3.3.3' "$ROOT/etc/hosts" 1
}

test_agent_environment() {
  ok
  PROGRAM=$ROOT/usr/local/lib/meshwright/machine ok run
  called 'setpriv --reuid=istio-proxy --regid=istio-proxy --init-groups'
  called 'pilot-agent proxy'
  grep '^pilot-agent' "$TMP/calls" | tr -s ' \n' ' ' | grep -qx 'pilot-agent istio-iptables --cleanup-only pilot-agent istio-iptables pilot-agent proxy ' || fail "order"
  grep -qx 'ISTIO_SVC_IP=10.0.0.5' "$TMP/agent.env" || fail "address"
  grep -qx 'INSTANCE_IP=10.0.0.5' "$TMP/agent.env" || fail "instance"
  grep -qx 'POD_NAME=vm-1' "$TMP/agent.env" || fail "name"
  grep -qx 'CA_ADDR=istiod.istio-system.svc:15012' "$TMP/agent.env" || fail "CA"
  grep -qx 'PROV_CERT=./etc/certs' "$TMP/agent.env" || fail "certs"
  grep -qx 'ISTIO_META_DNS_CAPTURE=true' "$TMP/agent.env" || fail "DNS"
}

test_agent_address_follows_the_route() {
  stub ip '[ "$4" != 10.1.0.200 ] || echo "10.1.0.200 via 10.0.0.1 dev eth0 src 10.9.9.9 uid 0"'
  mkdir -p "$ROOT/etc/default"
  echo 'ISTIO_AGENT_FLAGS="--proxyLogLevel debug"' > "$ROOT/etc/default/meshwright-machine"
  ok
  PROGRAM=$ROOT/usr/local/lib/meshwright/machine ok run
  grep -qx 'ISTIO_SVC_IP=10.9.9.9' "$TMP/agent.env" || fail "address"
  called 'pilot-agent proxy --proxyLogLevel debug'
}

# pair NAME: a certificate and its key, by the real openssl.
pair() {
  rm -f "$BIN/openssl"
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj / -days 1 -keyout "$TMP/$1.key" -out "$TMP/$1.pem" 2>/dev/null || fail "no certificate"
}
has_pair() { [ -e "$ROOT/etc/certs/cert-chain.pem" ] && [ -e "$ROOT/etc/certs/key.pem" ]; }

test_good_certificate_is_kept() {
  ok
  pair one
  cp "$TMP/one.pem" "$ROOT/etc/certs/cert-chain.pem"
  cp "$TMP/one.key" "$ROOT/etc/certs/key.pem"
  PROGRAM=$ROOT/usr/local/lib/meshwright/machine ok run
  same "$TMP/one.key" "$ROOT/etc/certs/key.pem"
}

test_key_of_another_certificate() {
  ok
  pair one
  pair two
  cp "$TMP/one.pem" "$ROOT/etc/certs/cert-chain.pem"
  cp "$TMP/two.key" "$ROOT/etc/certs/key.pem"
  mv "$ROOT/var/run/secrets/tokens/istio-token" "$TMP/token"
  PROGRAM=$ROOT/usr/local/lib/meshwright/machine ok run
  has_pair || fail "it is gone, and there is no token"
  grep -q 'there is no token: make a new bundle' "$TMP/out" || fail "says nothing"
  mv "$TMP/token" "$ROOT/var/run/secrets/tokens/istio-token"
  PROGRAM=$ROOT/usr/local/lib/meshwright/machine ok run
  ! has_pair || fail "it is still there"
  called 'pilot-agent proxy'
}

test_certificate_that_ended() {
  ok
  pair one
  cp "$TMP/one.pem" "$ROOT/etc/certs/cert-chain.pem"
  cp "$TMP/one.key" "$ROOT/etc/certs/key.pem"
  stub openssl 'case "$*" in *-checkend*) exit 1 ;; esac'
  PROGRAM=$ROOT/usr/local/lib/meshwright/machine ok run
  ! has_pair || fail "it is still there"
}

# Connections of root may lead to a proxy that does not work.
test_checks_go_past_the_proxy() {
  stub curl 'exit 7'
  ok --check
  called 'setpriv --reuid=istio-proxy --regid=istio-proxy --clear-groups timeout 5 bash'
  called 'setpriv --reuid=istio-proxy --regid=istio-proxy --clear-groups curl'
}

test_revision() {
  echo "CA_ADDR='istiod-canary.istio-system.svc:15012'" >> "$B/cluster.env"
  echo '10.1.0.200 istiod-canary.istio-system.svc' > "$B/hosts"
  ok
  PROGRAM=$ROOT/usr/local/lib/meshwright/machine ok run
  grep -qx 'CA_ADDR=istiod-canary.istio-system.svc:15012' "$TMP/agent.env" || fail "CA"
}

test_systemd() {
  mkdir -p "$ROOT/run/systemd/system" "$ROOT/etc/systemd/system"
  stub systemctl '[ "$1" != is-active ]'
  ok
  grep -qx "ExecStart=$ROOT/usr/local/lib/meshwright/machine run" "$ROOT/etc/systemd/system/meshwright-machine.service" || fail "unit"
  called 'systemctl enable meshwright-machine.service'
  called 'systemctl restart meshwright-machine.service'
  not_called setsid
  ok --undo
  called 'systemctl disable --now meshwright-machine.service'
  [ ! -e "$ROOT/etc/systemd/system/meshwright-machine.service" ] || fail "the unit is still there"
}

test_istio_unit_is_used() {
  mkdir -p "$ROOT/run/systemd/system" "$ROOT/lib/systemd/system"
  touch "$ROOT/lib/systemd/system/istio.service"
  stub systemctl '[ "$1" != is-active ]'
  ok
  called 'systemctl restart istio.service'
  [ ! -e "$ROOT/etc/systemd/system/meshwright-machine.service" ] || fail "two units"
}

test_running_agent_is_left_alone() {
  mkdir -p "$ROOT/run/systemd/system"
  mkdir -p "$ROOT/etc/systemd/system"
  stub systemctl
  ok
  ok
  not_called 'systemctl restart'
  echo 'defaultConfig: {statusPort: 1}' > "$B/mesh.yaml"
  ok
  called 'systemctl restart'
}

# The real supervisor with an agent that ends at once, and one that stays.
test_supervisor() {
  rm "$BIN/setsid"
  stub pilot-agent 'if [ "$1" = proxy ]; then [ -e '"$TMP/once"' ] && exec sleep 60; touch '"$TMP/once"'; fi'
  ok
  for _ in $(seq 100); do
    [ "$(grep -c '^pilot-agent proxy' "$TMP/calls")" -ge 2 ] && break
    sleep 0.1
  done
  lines '^pilot-agent proxy' "$TMP/calls" 2
  local pid
  pid=$(cat "$ROOT/run/meshwright-machine.pid")
  ok --undo
  ! tr '\0' ' ' < "/proc/$pid/cmdline" 2>/dev/null | grep -q supervise || fail "the supervisor still runs"
  [ ! -e "$ROOT/run/meshwright-machine.pid" ] || fail "the pid file is still there"
  called 'pilot-agent istio-iptables --cleanup-only'
}

# An agent that was killed leaves an Envoy, which would hold the ports of the next one.
test_supervisor_ends_what_is_left() {
  rm "$BIN/setsid"
  stub pilot-agent 'if [ "$1" = proxy ]; then [ -e '"$TMP/left"' ] && exec sleep 60; sleep 61 & echo $! > '"$TMP/left"'; fi'
  ok
  for _ in $(seq 100); do
    [ "$(grep -c '^pilot-agent proxy' "$TMP/calls")" -ge 2 ] && break
    sleep 0.1
  done
  lines '^pilot-agent proxy' "$TMP/calls" 2
  ! grep -qs sleep "/proc/$(cat "$TMP/left")/cmdline" || fail "it is still there"
  ok --undo
}

# A pid that is somebody else's by now is not touched.
test_stale_pid() {
  ok
  sleep 60 &
  echo $! > "$ROOT/run/meshwright-machine.pid"
  ok --undo
  kill -0 $! 2>/dev/null || fail "an innocent process was ended"
  kill $!
}

test_usage() {
  run --nonsense; [ $? = 2 ] || fail "usage"
  ok --help
  grep -q 'install.sh --undo' "$TMP/out" || fail "help"
}

failed=0
for t in $(declare -F | sed -n 's/^declare -f \(test_.*\)/\1/p'); do
  if out=$(setup && "$t" 2>&1); then
    printf '[       OK ] %s\n' "$t"
  else
    printf '[  FAILED  ] %s\n%s\n' "$t" "$out"
    failed=1
  fi
done
exit $failed
