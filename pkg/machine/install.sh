#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Joins this machine to a mesh, with the files beside this script; or takes it out again. Run as root.
#
#   install.sh              checks, puts the files in place, starts the agent; safe to run again, with a newer bundle too
#   install.sh --check      only checks
#   install.sh --refresh    takes the address of istiod, roots and configuration of a newer bundle; needs no new token
#   install.sh --undo       stops the agent, removes what was installed and puts back what was there before
#   --no-start              (install, refresh) leaves the agent as it is
#
# Needs pilot-agent and envoy in /usr/local/bin (or ISTIO_BIN_BASE), as Istio's istio-sidecar.deb and .rpm bring them,
# and iptables. More variables for the agent, like ISTIO_SVC_IP or ISTIO_AGENT_FLAGS, may stand in
# /etc/default/meshwright-machine. MESHWRIGHT_ROOT puts all paths below a folder. Exit: 0 done, 1 a check or step
# failed, 2 usage.
set -u
umask 022

ROOT=${MESHWRIGHT_ROOT:-}
BIN=${ISTIO_BIN_BASE:-/usr/local/bin}
AGENT_USER=istio-proxy
SKEW_S=300 # by so much a clock may be off
CONNECT_S=5
STOP_S=30

SELF=$(readlink -f "$0")
HERE=$(dirname "$SELF")
STATE=$ROOT/var/lib/meshwright/machine # for root only: what was installed, what was there before
PROGRAM=$ROOT/usr/local/lib/meshwright/machine
PID_FILE=$ROOT/run/meshwright-machine.pid
LOG=$ROOT/var/log/istio/istio.log
HOSTS=$ROOT/etc/hosts
UNIT=$ROOT/etc/systemd/system/meshwright-machine.service
BEGIN='# meshwright machine: begin'
END='# meshwright machine: end'

ROOT_CERT=$ROOT/etc/certs/root-cert.pem
TOKEN=$ROOT/var/run/secrets/tokens/istio-token
ENV_FILE=$ROOT/var/lib/istio/envoy/cluster.env
MESH=$ROOT/etc/istio/config/mesh
DEFAULTS=$ROOT/etc/default/meshwright-machine
TEMPLATE=$ROOT/var/lib/istio/envoy/envoy_bootstrap_tmpl.json

say() { printf 'meshwright: %s\n' "$*"; }
warn() { printf 'meshwright: warning: %s\n' "$*" >&2; }
die() { printf 'meshwright: %s\n' "$*" >&2; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }
has_user() { getent passwd "$AGENT_USER" >/dev/null 2>&1; }
utc() { date -u -d "@$1" '+%F %T UTC' 2>/dev/null || printf '%s s after 1970' "$1"; }

# --- checks: each prints what is wrong and what to do; nothing is changed before all have passed ---

FAILED=0
bad() { printf 'meshwright: FAILED: %s\n' "$*" >&2; FAILED=1; }

check_root() { [ "$(id -u)" = 0 ] || bad "this needs root: run it with sudo"; }

check_files() {
  local f
  for f in root-cert.pem cluster.env mesh.yaml hosts; do
    [ -r "$HERE/$f" ] || bad "$f is not beside this script: unpack the whole bundle"
  done
  [ "$MODE" = refresh ] || [ -s "$HERE/istio-token" ] || bad "istio-token is not beside this script: unpack the whole bundle"
}

check_programs() {
  local p
  for p in pilot-agent envoy; do
    [ -x "$BIN/$p" ] || bad "$BIN/$p is missing: install Istio's sidecar package (istio-sidecar.deb or .rpm) of the mesh's version, or set ISTIO_BIN_BASE"
  done
  [ -r "$TEMPLATE" ] || bad "$TEMPLATE is missing: it comes with Istio's sidecar package"
  have setpriv || have runuser || bad "neither setpriv nor runuser is here: install util-linux"
}

check_user() {
  has_user || have useradd || have adduser || bad "there is no user $AGENT_USER and no program to make one: make a system user and group of that name"
}

wants_iptables() {
  [ "$(file_value "$HERE/cluster.env" ISTIO_CUSTOM_IP_TABLES)" != true ] && [ "${ISTIO_CUSTOM_IP_TABLES:-}" != true ]
}

check_iptables() {
  local why
  wants_iptables || return 0
  have iptables || { bad "iptables is missing: install it, or set ISTIO_CUSTOM_IP_TABLES=true to redirect traffic yourself"; return; }
  why=$(iptables -w 5 -t nat -S 2>&1 >/dev/null) || bad "iptables can't read the nat table (${why%%$'\n'*}): run as root, with the kernel's nat support"
}

# file_value FILE NAME: the value of a line NAME='value' of an environment file; without quotes in it.
file_value() { sed -n "s/^$2='\{0,1\}\([^']*\)'\{0,1\}\$/\1/p" "$1" 2>/dev/null | head -n 1; }

# istiod's name, and its addresses where the bundle knows them.
istiod_name() {
  local ca
  ca=$(file_value "$1/cluster.env" CA_ADDR)
  if [ -n "$ca" ]; then echo "${ca%:*}"
  elif [ -s "$1/hosts" ]; then awk 'NF > 1 {print $2; exit}' "$1/hosts"
  else echo istiod.istio-system.svc; fi
}
istiod_addresses() { awk 'NF > 1 {print $1}' "$1/hosts" 2>/dev/null; }

# As the agent's user, whose connections are not redirected: to a proxy, say, that is broken and the reason for this run.
past_proxy() {
  if has_user && have setpriv; then setpriv --reuid="$AGENT_USER" --regid="$AGENT_USER" --clear-groups "$@"
  elif has_user && have runuser; then runuser -u "$AGENT_USER" -- "$@"
  else "$@"; fi
}

# shellcheck disable=SC2016 # $0 and $1 are those of the inner shell
connects() { past_proxy timeout "$CONNECT_S" bash -c 'exec 3<>"/dev/tcp/$0/$1"' "$1" "$2" 2>/dev/null; }

check_reach() {
  local name address tried=
  name=$(istiod_name "$HERE")
  for address in $(istiod_addresses "$HERE"); do
    connects "$address" 15012 && return
    tried="$tried $address"
  done
  if [ -z "$tried" ]; then
    getent hosts "$name" >/dev/null 2>&1 ||
      bad "the bundle does not know where istiod is, and nothing resolves $name: make a new bundle when the east-west gateway has an address"
    return
  fi
  bad "istiod can't be reached at$tried port 15012 from here: open the way to the east-west gateway (firewall, route), or make a new bundle if its address has changed"
}

# claim NAME: a number of the token's payload (RFC 7519); empty when there is none.
claim() {
  local body
  body=$(cut -s -d. -f2 "$HERE/istio-token" | tr -d '\n' | tr '_-' '/+')
  while [ $((${#body} % 4)) != 0 ]; do body=$body=; done
  printf '%s' "$body" | base64 -d 2>/dev/null | tr -d '\0' | sed -n "s/.*\"$1\":\([0-9]\{1,12\}\)[,}].*/\1/p"
}

# The gateway's own clock: the Date of its health port, where that can be reached; empty otherwise.
gateway_time() {
  local address date
  have curl || return 0
  address=$(istiod_addresses "$HERE" | head -n 1)
  [ -n "$address" ] || return 0
  case $address in *:*) address="[$address]" ;; esac
  date=$(past_proxy curl -s -o /dev/null -D - -m "$CONNECT_S" --noproxy '*' "http://$address:15021/healthz/ready" 2>/dev/null | tr -d '\r' | sed -n 's/^[Dd]ate: //p' | head -n 1)
  [ -z "$date" ] || date -u -d "$date" +%s 2>/dev/null
}

root_starts() {
  local from
  have openssl || return 0
  from=$(openssl x509 -noout -startdate -in "$HERE/root-cert.pem" 2>/dev/null) || return 0
  date -u -d "${from#*=}" +%s 2>/dev/null
}

FIX_CLOCK="set the clock (timedatectl set-ntp true, chronyc makestep) and run this again"

# The clock is judged by who surely knows better: the gateway, then the dates of what the bundle holds.
check_clock() {
  local now theirs off from
  now=$(date +%s)
  theirs=$(gateway_time)
  if [ -n "$theirs" ]; then
    off=$((now - theirs))
    if [ "$off" -gt $SKEW_S ]; then bad "this machine's clock is $((off / 60)) min ahead of the mesh's: $FIX_CLOCK"; return; fi
    if [ "$off" -lt -$SKEW_S ]; then bad "this machine's clock is $((-off / 60)) min behind the mesh's: $FIX_CLOCK"; return; fi
  fi
  from=$(root_starts)
  if [ -n "$from" ] && [ "$now" -lt $((from - SKEW_S)) ]; then
    bad "this machine's clock ($(utc "$now")) is at least $(((from - now) / 60)) min behind: the mesh's root is good from $(utc "$from") on; $FIX_CLOCK"
    return
  fi
  [ "$MODE" = refresh ] || check_token "$now" "$theirs"
}

check_token() {
  local now=$1 known=$2 made ends
  made=$(claim iat) ends=$(claim exp)
  if [ -z "$made" ] || [ -z "$ends" ]; then
    bad "istio-token is no token: make a new bundle"
  elif [ "$now" -lt $((made - SKEW_S)) ]; then
    bad "this machine's clock ($(utc "$now")) is $(((made - now) / 60)) min behind: the token was made at $(utc "$made"); $FIX_CLOCK"
  elif [ "$now" -ge "$ends" ] && [ -n "$known" ]; then
    bad "the token of this bundle ended at $(utc "$ends"), $(((now - ends) / 60)) min ago: make a new bundle"
  elif [ "$now" -ge "$ends" ]; then
    bad "the token of this bundle ended at $(utc "$ends"), $(((now - ends) / 60)) min ago by this machine's clock: make a new bundle; if this one is new, the clock is ahead: $FIX_CLOCK"
  fi
}

checks() {
  check_root
  check_files
  [ $FAILED = 0 ] || exit 1
  check_programs
  check_user
  check_iptables
  check_clock
  check_reach
  [ $FAILED = 0 ] || { printf 'meshwright: nothing was changed\n' >&2; exit 1; }
}

# --- putting files in place ---

CHANGED=0

note() { grep -qxF -- "$1 $2" "$STATE/made" 2>/dev/null || printf '%s %s\n' "$1" "$2" >> "$STATE/made"; }

# folder PATH MODE OWNER: made where missing, with those above it. What was made, or whose it was, is noted.
folder() {
  local was
  [ -d "$1" ] || {
    [ -d "$(dirname "$1")" ] || folder "$(dirname "$1")" 0755 root:root
    mkdir "$1" || die "$1 can't be made"
    note dir "$1"
    chmod "$2" "$1"
  }
  [ "$3" != root:root ] || return 0
  if ! grep -qxF -- "dir $1" "$STATE/made" 2>/dev/null; then
    was=$(stat -c %u:%g "$1") && note owner "$was $1"
  fi
  chown "$3" "$1" || die "$1 can't be given to $3"
}

# put FILE PATH MODE OWNER: replaces PATH in one step. What was there before the first time is kept.
put() {
  if [ -e "$2" ] && ! grep -qxF -- "file $2" "$STATE/made" 2>/dev/null; then
    { mkdir -p "$STATE/before$(dirname "$2")" && cp -a "$2" "$STATE/before$2"; } || die "$2 can't be kept"
  fi
  note file "$2"
  cmp -s "$1" "$2" || CHANGED=1
  rm -f "$2.new"
  { (umask 077 && cat "$1" > "$2.new") && chown "$4" "$2.new" && chmod "$3" "$2.new" && mv -f "$2.new" "$2"; } || die "$2 can't be written"
}

hosts_without_ours() { awk -v b="$BEGIN" -v e="$END" '$0 == b {skip = 1} !skip {print} $0 == e {skip = 0}' "$HOSTS"; }

# In place: in a container /etc/hosts is a mount, which can't be renamed over.
write_hosts() {
  cmp -s "$1" "$HOSTS" || { CHANGED=1; cat "$1" > "$HOSTS" || die "$HOSTS can't be written"; }
  rm -f "$1"
}

put_hosts() {
  [ -e "$HOSTS" ] || : > "$HOSTS"
  hosts_without_ours | awk -v n="$(istiod_name "$HERE")" '!/^ *#/ {for (i = 2; i <= NF; i++) if ($i == n) found = 1} END {exit !found}' &&
    warn "$HOSTS has another line for $(istiod_name "$HERE"), which counts as well: remove it if it is old"
  grep -qxF -- "$BEGIN" "$HOSTS" && ! grep -qxF -- "$END" "$HOSTS" && die "$HOSTS has '$BEGIN' without '$END': repair it by hand"
  { hosts_without_ours; [ ! -s "$HERE/hosts" ] || { echo "$BEGIN"; cat "$HERE/hosts"; echo "$END"; }; } > "$STATE/hosts.new" || die "$HOSTS can't be read"
  write_hosts "$STATE/hosts.new"
}

make_user() {
  has_user && return
  if have useradd; then
    { getent group "$AGENT_USER" >/dev/null || groupadd --system "$AGENT_USER"; } &&
      useradd --system --gid "$AGENT_USER" --home-dir /var/lib/istio --no-create-home --shell /usr/sbin/nologin "$AGENT_USER"
  else
    addgroup -S "$AGENT_USER" && adduser -S -D -H -h /var/lib/istio -s /sbin/nologin -G "$AGENT_USER" "$AGENT_USER"
  fi || die "the user $AGENT_USER can't be made"
  note user "$AGENT_USER"
  say "made the user $AGENT_USER"
}

prepare_state() {
  (umask 077 && mkdir -p "$STATE/before") || die "$STATE can't be made"
  chmod 0700 "$STATE"
}

AGENT=$AGENT_USER:$AGENT_USER

# The agent writes what it trusts now over the root that it began with: only another root in the bundle is news.
put_root() {
  [ -s "$ROOT_CERT" ] && cmp -s "$HERE/root-cert.pem" "$STATE/root-cert.pem" && return
  put "$HERE/root-cert.pem" "$ROOT_CERT" 0644 "$AGENT"
  cp "$HERE/root-cert.pem" "$STATE/root-cert.pem" || die "$STATE can't be written"
}

put_config() {
  folder "$ROOT/etc/certs" 0755 "$AGENT"
  folder "$ROOT/var/lib/istio" 0755 "$AGENT"
  folder "$ROOT/var/lib/istio/envoy" 0755 "$AGENT"
  folder "$ROOT/etc/istio" 0755 root:root
  folder "$ROOT/etc/istio/config" 0755 "$AGENT"
  folder "$ROOT/etc/istio/proxy" 0755 "$AGENT"
  folder "$ROOT/var/log/istio" 0755 "$AGENT"
  put_root
  put "$HERE/cluster.env" "$ENV_FILE" 0644 "$AGENT"
  put "$HERE/mesh.yaml" "$MESH" 0644 "$AGENT"
  # The agent owns the folders above, so what root reads when it starts the agent lies where only root writes.
  put "$HERE/cluster.env" "$STATE/cluster.env" 0600 root:root
  echo "$BIN" > "$STATE/bin"
  istiod_name "$HERE" > "$STATE/istiod"
  istiod_addresses "$HERE" | head -n 1 > "$STATE/address"
  put_hosts
}

put_token() {
  folder "$ROOT/var/run/secrets" 0755 "$AGENT"
  folder "$ROOT/var/run/secrets/tokens" 0700 "$AGENT"
  put "$HERE/istio-token" "$TOKEN" 0600 "$AGENT"
}

put_program() {
  folder "$ROOT/usr/local/lib/meshwright" 0755 root:root
  put "$SELF" "$PROGRAM" 0755 root:root
}

# --- the agent ---

# What source address leads to istiod; the machine's first one where nobody knows.
own_address() {
  local to found
  to=$(cat "$STATE/address" 2>/dev/null)
  found=$([ -z "$to" ] || ! have ip || ip -o route get "$to" 2>/dev/null | sed -n 's/.* src \([^ ]*\).*/\1/p')
  [ -n "$found" ] || found=$(hostname -I 2>/dev/null | cut -d' ' -f1)
  echo "$found"
}

load_env() {
  set -a
  # shellcheck source=/dev/null
  [ ! -r "$DEFAULTS" ] || . "$DEFAULTS"
  # shellcheck source=/dev/null
  . "$STATE/cluster.env" || die "$STATE/cluster.env can't be read: run install.sh again"
  set +a
  [ ! -r "$STATE/bin" ] || BIN=$(cat "$STATE/bin")
  export ISTIO_SVC_IP="${ISTIO_SVC_IP:-$(own_address)}" POD_NAME="${POD_NAME:-$(hostname -s)}"
  export INSTANCE_IP="$ISTIO_SVC_IP" PROV_CERT="${PROV_CERT-./etc/certs}" OUTPUT_CERTS="${OUTPUT_CERTS-./etc/certs}"
  export CA_ADDR="${CA_ADDR:-$(cat "$STATE/istiod"):15012}"
}

redirect() { # and clean: takes the rules away
  [ "${ISTIO_CUSTOM_IP_TABLES:-}" != true ] || return 0
  "$BIN/pilot-agent" istio-iptables --cleanup-only >> "$LOG" 2>&1 || warn "old redirection rules are still there; see $LOG"
  [ "${1:-}" = clean ] || "$BIN/pilot-agent" istio-iptables >> "$LOG" 2>&1
}

# Whether the agent could show its certificate: it is not over, and the key is its own. A power cut may come between the two files.
usable_pair() {
  local cert=$ROOT/etc/certs/cert-chain.pem key=$ROOT/etc/certs/key.pem pub
  [ -e "$cert" ] || [ -e "$key" ] || return 0
  have openssl || return 0
  openssl x509 -noout -checkend 0 -in "$cert" >/dev/null 2>&1 || return 1
  pub=$(openssl x509 -noout -pubkey -in "$cert" 2>/dev/null) && [ -n "$pub" ] && [ "$pub" = "$(openssl pkey -pubout -in "$key" 2>/dev/null)" ]
}

# With a key of another certificate the agent can't even ask for a new one, whatever token it has; after the certificate's end
# it asks with its token. Either way nothing but a token helps.
drop_pair() {
  usable_pair && return
  if [ -s "$TOKEN" ]; then
    say "the certificate in /etc/certs can't be used any more: the agent asks for another one with its token"
    rm -f "$ROOT/etc/certs/cert-chain.pem" "$ROOT/etc/certs/key.pem"
  else
    warn "the certificate in /etc/certs can't be used any more, and there is no token: make a new bundle and run its install.sh"
  fi
}

# In the foreground, as the agent's user. The agent's paths are relative to where it runs.
run() {
  cd "${ROOT:-/}" || exit 1
  load_env
  [ -n "$ISTIO_SVC_IP" ] || die "this machine has no address yet: bring its network up, or make the bundle with --internal-ip"
  mkdir -p "$ROOT/var/run/secrets/tokens" && chown "$AGENT" "$ROOT/var/run/secrets" "$ROOT/var/run/secrets/tokens" # /run is empty after a boot
  drop_pair
  redirect || die "iptables refuses the rules; see $LOG"
  local user=$AGENT_USER flags=()
  [ "${ISTIO_INBOUND_INTERCEPTION_MODE:-}" != TPROXY ] || user=root
  read -r -a flags <<< "${ISTIO_AGENT_FLAGS:-}"
  if have setpriv; then
    exec setpriv --reuid="$user" --regid="$AGENT_USER" --init-groups "$BIN/pilot-agent" proxy ${flags[@]+"${flags[@]}"}
  fi
  exec runuser -u "$user" -g "$AGENT_USER" -- "$BIN/pilot-agent" proxy ${flags[@]+"${flags[@]}"}
}

clean() {
  cd "${ROOT:-/}" || exit 1
  [ ! -r "$STATE/cluster.env" ] || load_env
  redirect clean
}

# A child that can be ended while it is waited for, the leader of a group of its own. What it leaves behind is ended:
# an Envoy whose agent was killed holds its ports.
CHILD=0
child() {
  setsid "$@" &
  CHILD=$!
  wait "$CHILD"
  kill -9 -- "-$CHILD" 2>/dev/null
  CHILD=0
}

end_supervision() {
  trap '' TERM INT
  if [ "$CHILD" != 0 ]; then
    kill "$CHILD" 2>/dev/null
    (sleep $((STOP_S / 2)); kill -9 "$CHILD" 2>/dev/null) &
    wait "$CHILD"
    kill $! 2>/dev/null
    kill -9 -- "-$CHILD" 2>/dev/null
  fi
  clean
  rm -f "$PID_FILE"
  exit 0
}

# Where there is no systemd: starts the agent again when it ends, and stops it when told to.
supervise() {
  local pause=1 began
  exec >> "$LOG" 2>&1
  trap end_supervision TERM INT
  echo $$ > "$PID_FILE"
  while :; do
    began=$SECONDS
    child "$PROGRAM" run
    [ $((SECONDS - began)) -lt 60 ] || pause=1
    say "the agent ended; it is started again in $pause s"
    child sleep $pause
    [ $pause -ge 8 ] || pause=$((pause * 2))
  done
}

has_systemd() { [ -d "$ROOT/run/systemd/system" ] && have systemctl; }
has_istio_unit() { [ -e "$ROOT/lib/systemd/system/istio.service" ] || [ -e "$ROOT/usr/lib/systemd/system/istio.service" ] || [ -e "$ROOT/etc/systemd/system/istio.service" ]; }
service() { if has_istio_unit; then echo istio.service; else echo meshwright-machine.service; fi; }

# The pid of our supervisor, if it lives: a number alone may by now be somebody else's process.
supervisor() {
  local pid
  pid=$(cat "$PID_FILE" 2>/dev/null) || return 1
  case $pid in '' | *[!0-9]*) return 1 ;; esac
  tr '\0' ' ' < "/proc/$pid/cmdline" 2>/dev/null | grep -qF -- "$PROGRAM supervise" && echo "$pid"
}

put_unit() {
  has_istio_unit && return
  cat > "$STATE/unit" << UNIT
# Made by install.sh of a meshwright bundle.
[Unit]
Description=Istio sidecar of this machine
After=network-online.target
Wants=network-online.target
StartLimitIntervalSec=0

[Service]
ExecStart=$PROGRAM run
ExecStopPost=$PROGRAM clean
StandardOutput=append:$LOG
StandardError=inherit
Restart=always
RestartSec=5
KillMode=mixed
TimeoutStopSec=${STOP_S}s

[Install]
WantedBy=multi-user.target
UNIT
  put "$STATE/unit" "$UNIT" 0644 root:root
}

start() {
  if has_systemd; then
    put_unit
    { systemctl daemon-reload && systemctl enable "$(service)" >/dev/null 2>&1 && systemctl restart "$(service)"; } || die "$(service) does not start: journalctl -u $(service)"
  else
    stop_supervisor
    mkdir -p "$(dirname "$PID_FILE")"
    setsid "$PROGRAM" supervise < /dev/null > /dev/null 2>&1 &
  fi
  say "the agent is started; its log is $LOG"
}

is_running() {
  if has_systemd; then systemctl is-active --quiet "$(service)"; else supervisor >/dev/null; fi
}

stop_supervisor() {
  local pid i
  pid=$(supervisor) || return 0
  kill "$pid" 2>/dev/null
  for ((i = 0; i < STOP_S * 10; i++)); do
    supervisor >/dev/null || return 0
    sleep 0.1
  done
  die "the agent (process $pid) does not end: end it by hand, then run this again"
}

stop() {
  if has_systemd; then
    systemctl disable --now "$(service)" >/dev/null 2>&1
  else
    stop_supervisor
  fi
}

# --- what the user asks for ---

start_if_wanted() {
  [ "$START" = 1 ] || { say "installed; the agent was not started"; return; }
  if [ $CHANGED = 0 ] && is_running; then
    say "all is as it should be; the agent runs"
  else
    start
  fi
}

install_all() {
  checks
  prepare_state
  make_user
  put_config
  put_token
  put_program
  start_if_wanted
}

refresh() {
  [ -e "$STATE/made" ] || die "nothing is installed here to refresh: run install.sh without --refresh"
  checks
  put_config
  put_program
  start_if_wanted
}

# put_back PATH: what was there before the first install, or nothing.
put_back() {
  if [ -e "$STATE/before$1" ]; then
    mv -f "$STATE/before$1" "$1" || die "$1 can't be put back; it is kept as $STATE/before$1"
  else
    rm -f "$1"
  fi
}

undo() {
  check_root
  [ $FAILED = 0 ] || exit 1
  [ -e "$STATE/made" ] || { say "nothing is installed here"; return; }
  stop
  clean
  hosts_without_ours > "$STATE/hosts.new" && write_hosts "$STATE/hosts.new"
  rm -f "$ROOT/etc/certs/cert-chain.pem" "$ROOT/etc/certs/key.pem" # the agent's own, by which it could join again
  local kind what
  sed '1!G;h;$!d' "$STATE/made" > "$STATE/undo" # last one first
  while read -r kind what; do
    case $kind in
      file) put_back "$what" ;;
      dir)
        case $what in
          */etc/istio/proxy | */var/log/istio) rm -rf "$what" ;; # only the agent writes there
          */var/run/secrets) rm -rf "$what"/workload-spiffe-*; rmdir "$what" 2>/dev/null ;;
          *) rmdir "$what" 2>/dev/null ;;
        esac ;;
      owner) chown "${what%% *}" "${what#* }" 2>/dev/null ;;
      user) userdel "$what" 2>/dev/null || deluser "$what" 2>/dev/null || warn "the user $what can't be removed" ;;
    esac
  done < "$STATE/undo"
  ! has_systemd || systemctl daemon-reload
  rm -rf "$STATE"
  rmdir "$(dirname "$STATE")" 2>/dev/null
  say "this machine is out of the mesh"
}

usage() {
  sed -n '3,/^set -u/{/^#/!d;s/^# \{0,1\}//;p}' "$SELF"
  exit "$1"
}

MODE=install START=1
for arg in "$@"; do
  case $arg in
    --check | --refresh | --undo) MODE=${arg#--} ;;
    run | clean | supervise) MODE=$arg ;; # of the installed copy: what the service calls
    --no-start) START=0 ;;
    --help | -h) usage 0 ;;
    *) printf 'meshwright: unknown argument %s\n' "$arg" >&2; usage 2 >&2 ;;
  esac
done

case $MODE in
  install) install_all ;;
  check) checks; say "all checks passed" ;;
  refresh) refresh ;;
  undo) undo ;;
  *) "$MODE" ;;
esac
