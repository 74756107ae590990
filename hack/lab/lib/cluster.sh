# shellcheck shell=bash disable=SC2034,SC2154  # variables are shared with lab
# Sourced by lab: one Kubernetes cluster of one node, its daemons being ordinary processes in the cluster's namespaces.

# Keys and certificates of elliptic curves, made anew at each start: that takes 0.4 s, and nothing secret outlives a run.
pki() {
  local P=$R/pki
  mkdir -p "$P"
  pushd "$P" >/dev/null || exit
  ec_key ca
  openssl req -x509 -new -key ca.key -out ca.crt -subj "/CN=$C-ca" -days 365
  ec_key sa
  openssl ec -in sa.key -pubout -out sa.pub 2>/dev/null
  cert apiserver kube-apiserver kubernetes "DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:localhost,IP:127.0.0.1,IP:$IP,IP:$SVC1"
  cert kubelet "system:node:$C-node" system:nodes "DNS:$C-node,IP:$IP"
  cert admin admin system:masters ""
  # what the lab itself does is not the administrator's: the audit log leaves it out
  cert lab system:lab system:masters ""
  cert kcm system:kube-controller-manager kubernetes ""
  cert scheduler system:kube-scheduler kubernetes ""
  cert proxy system:kube-proxy kubernetes ""
  cert coredns system:coredns kubernetes ""
  popd >/dev/null || exit
}
ec_key() { openssl ecparam -name prime256v1 -genkey -noout -out "$1.key"; }
cert() { # FILE CN O SAN: key, certificate and kubeconfig
  ec_key "$1"
  openssl req -new -key "$1.key" -out "$1.csr" -subj "/O=$3/CN=$2"
  openssl x509 -req -in "$1.csr" -CA ca.crt -CAkey ca.key -CAcreateserial -days 365 -out "$1.crt" 2>/dev/null \
    -extfile <(echo extendedKeyUsage=serverAuth,clientAuth; [ -z "$4" ] || echo "subjectAltName=$4")
  rm "$1.csr"
  cat > "$1.conf" <<Y
apiVersion: v1
kind: Config
current-context: $C
clusters: [{name: $C, cluster: {server: "https://$IP:6443", certificate-authority-data: $(base64 -w0 ca.crt)}}]
users: [{name: $1, user: {client-certificate-data: $(base64 -w0 "$1.crt"), client-key-data: $(base64 -w0 "$1.key")}}]
contexts: [{name: $C, context: {cluster: $C, user: $1}}]
Y
}

containerd_conf() { # ROOT STATE SOCKET
  cat <<T
version = 3
root = "$1"
state = "$2"
[grpc]
  address = "$3"
[ttrpc]
  address = "$3.ttrpc"
# two containerds on one machine would compete for NRI's one socket, and the loser exits
[plugins."io.containerd.nri.v1.nri"]
  disable = true
[plugins."io.containerd.cri.v1.images".pinned_images]
  sandbox = "docker.io/lab/pause:1"
[plugins."io.containerd.cri.v1.runtime"]
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
[plugins."io.containerd.cri.v1.runtime".cni]
  bin_dirs = ["$BIN/cni"]
  conf_dir = "$R/cni"
[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
  SystemdCgroup = false
T
}

# holder_up: the process that holds the mount namespace of $C. What containerd and kubelet mount goes with its last process, also
# after kill -9; the folders that every containerd uses, whatever it is told, are the cluster's own.
holder_up() {
  HOLDER=
  # shellcheck disable=SC2016  # expanded by that shell
  start holder unshare --mount --propagation private sh -ec '
    mount --make-rshared /
    for d in /run/containerd /var/lib/cni /var/log/containers; do mkdir -p $d; mount -t tmpfs tmpfs $d; done
    touch "$1/held"
    exec sleep infinity' sh "$R"
}
held() { until_ok 5 holder test -e "$R/held"; HOLDER=$(cat "$R/parts/holder.pid"); }

ctrd_ready() { "$BIN/ctr" -a "$R/ctrd.sock" version; }
api_ready() { netin "$C" curl -sf --max-time 2 --cacert "$R/pki/ca.crt" "https://$IP:6443/readyz"; }

# The images are imported once, into a store; see clone_store.
store_up() {
  local S=$IMG/store key; key=$(python3 "$HERE/images.py" key)
  [ "$(cat "$S/key" 2>/dev/null)" != "$key" ] || return 0
  rm -rf "$S"
  mkdir -p "$S" "$RUN/store/cni"
  C=store R=$RUN/store CG=$CGP/${PREFIX}store
  cgroups_up
  ip netns add "${PREFIX}store"
  holder_up
  held
  containerd_conf "$S/root" "$R/ctrd" "$R/ctrd.sock" > "$R/containerd.toml"
  start containerd env PATH="$BIN:$PATH" "$BIN/containerd" -c "$R/containerd.toml"
  until_ok 20 containerd ctrd_ready
  python3 "$HERE/images.py" tar | "$BIN/ctr" -a "$R/ctrd.sock" -n k8s.io images import - >"$R/log/import" 2>&1 || die "images are not imported: $(cat "$R/log/import")"
  # a clean end, so that the databases are whole
  kill -TERM "$(cat "$R/parts/containerd.pid")"
  until_ok 10 containerd part_gone containerd
  kill_all store
  ip netns del "${PREFIX}store"
  rm -rf "$RUN/store"
  echo "$key" > "$S/key"
  lap lab "images imported"
}

# A cluster starts from a hard-linked copy of the store, only the databases being copied really: a start costs no import, pods of
# earlier runs leave no trace, and the clusters share the page cache of one Envoy.
clone_store() {
  local f
  mkdir -p "$R/ctrd/state"
  cp -al "$IMG/store/root" "$R/ctrd/root"
  find "$R/ctrd/root" -name '*.db' | while read -r f; do
    cp "$f" "$f.new"
    mv "$f.new" "$f"
  done
}

etcd_up() {
  # no fsync: the data need not outlive the machine, and a disk shared with builds would stall elections
  start etcd "$BIN/etcd" --name "$C" --data-dir "$R/etcd" --unsafe-no-fsync --log-level=warn \
    --listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379 --listen-peer-urls http://127.0.0.1:2380
}
apiserver_up() {
  start apiserver "$BIN/kube-apiserver" --etcd-servers=http://127.0.0.1:2379 --advertise-address="$IP" --bind-address=0.0.0.0 --secure-port=6443 \
    --tls-cert-file="$R/pki/apiserver.crt" --tls-private-key-file="$R/pki/apiserver.key" --client-ca-file="$R/pki/ca.crt" \
    --service-account-key-file="$R/pki/sa.pub" --service-account-signing-key-file="$R/pki/sa.key" --service-account-issuer=https://kubernetes.default.svc \
    --service-cluster-ip-range="$SVC" --authorization-mode=Node,RBAC --enable-admission-plugins=NodeRestriction --allow-privileged=true \
    --kubelet-preferred-address-types=InternalIP --kubelet-certificate-authority="$R/pki/ca.crt" \
    --kubelet-client-certificate="$R/pki/lab.crt" --kubelet-client-key="$R/pki/lab.key" \
    --audit-policy-file="$HERE/audit.yaml" --audit-log-path="$R/audit.log"
}
controllers_up() {
  # At the default rate of requests the controllers take 5 s to get their tokens before any of them starts. A node that did not
  # renew its lease for 50 s is taken for gone, and its pods out of Services: after a minute without API server that would be every
  # node whose kubelet comes back after these controllers.
  start kcm "$BIN/kube-controller-manager" --kubeconfig="$R/pki/kcm.conf" --service-account-private-key-file="$R/pki/sa.key" --root-ca-file="$R/pki/ca.crt" \
    --use-service-account-credentials=true --kube-api-qps=500 --kube-api-burst=1000 --cluster-cidr="$POD" --allocate-node-cidrs=true --node-cidr-mask-size=24 --leader-elect=false --bind-address=127.0.0.1 \
    --node-monitor-grace-period=10m
  start scheduler "$BIN/kube-scheduler" --kubeconfig="$R/pki/scheduler.conf" --leader-elect=false --bind-address=127.0.0.1
}
containerd_up() { start containerd env PATH="$BIN:$PATH" "$BIN/containerd" -c "$R/containerd.toml"; }
node_up() {
  # the places are what a cloud would say: locality of endpoints comes from them
  start kubelet env PATH="$BIN:$PATH" "$BIN/kubelet" --config="$R/kubelet.yaml" --kubeconfig="$R/pki/kubelet.conf" --hostname-override="$C-node" --node-ip="$IP" \
    --root-dir="$R/kubelet" --cert-dir="$R/pki" --node-labels="topology.kubernetes.io/region=region$I,topology.kubernetes.io/zone=zone${I}a"
  start proxy "$BIN/kube-proxy" --kubeconfig="$R/pki/proxy.conf" --cluster-cidr="$POD" --hostname-override="$C-node" --proxy-mode=iptables \
    --conntrack-max-per-core=0 --conntrack-tcp-timeout-established=0 --conntrack-tcp-timeout-close-wait=0
}

node_conf() {
  mkdir -p "$R/cni" "$R/kubelet" "$R/ipam"
  cat > "$R/cni/10.conflist" <<J
{"cniVersion": "1.0.0", "name": "lab", "plugins": [
  {"type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": false, "hairpinMode": true,
   "ipam": {"type": "host-local", "dataDir": "$R/ipam", "ranges": [[{"subnet": "10.${I}1.0.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}
]}
J
  containerd_conf "$R/ctrd/root" "$R/ctrd/state" "$R/ctrd.sock" > "$R/containerd.toml"
  cat > "$R/kubelet.yaml" <<Y
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
cgroupDriver: cgroupfs
cgroupRoot: /$PREFIX$C
cgroupsPerQOS: true
enforceNodeAllocatable: []
containerRuntimeEndpoint: unix://$R/ctrd.sock
failSwapOn: false
clusterDNS: [$DNS]
clusterDomain: cluster.local
authentication: {anonymous: {enabled: false}, x509: {clientCAFile: $R/pki/ca.crt}, webhook: {enabled: true}}
authorization: {mode: Webhook}
tlsCertFile: $R/pki/kubelet.crt
tlsPrivateKeyFile: $R/pki/kubelet.key
# the disk is the whole machine's: only a full one counts
evictionHard: {memory.available: 50Mi, nodefs.available: 1%, imagefs.available: 1%}
imageGCHighThresholdPercent: 100
resolvConf: $R/resolv.conf
volumePluginDir: $R/volplug
podLogsDir: $R/podlogs
maxPods: 200
makeIPTablesUtilChains: false
registerNode: true
nodeStatusUpdateFrequency: 5s
$([ "$CGV" = 2 ] || echo 'failCgroupV1: false')
Y
  echo "nameserver 127.0.0.1" > "$R/resolv.conf"
  dns_conf
}

# The Corefile is the ConfigMap kube-system/coredns, as in every cluster; see corefile. The zone CLUSTER.lab has the host names of load
# balancers, of all clusters in each.
dns_conf() {
  local c
  : > "$R/hosts"
  {
    cat <<D
.:53 {
  bind $IP
  errors
  reload 2s 1s
  kubernetes cluster.local in-addr.arpa ip6.arpa {
    kubeconfig $R/pki/coredns.conf
    pods insecure
    ttl 5
  }
  cache 5
}
D
    for c in $(clusters); do
      printf '%s.lab:53 {\n  bind %s\n  errors\n  hosts %s/hosts {\n    ttl 2\n    reload 1s\n  }\n}\n' "$c" "$IP" "$RUN/$c"
    done
  } > "$R/Corefile"
  sed -e "s|@IP@|$IP|; s|@DNS@|$DNS|" "$HERE/dns.yaml" > "$R/dns.yaml"
  sed 's/^/    /' "$R/Corefile" >> "$R/dns.yaml"
}

cluster_up() { # NAME
  vars "$1"
  cgroups_up
  echo "$BASHPID" > "$CG/host/cgroup.procs"  # `down` is to end this too, should `up` be killed
  exec 9>&-
  local kubectl=(netin "$C" env KUBECACHEDIR="$R/kubecache" "$BIN/kubectl" --kubeconfig "$R/pki/lab.conf")
  holder_up
  etcd_up
  pki
  apiserver_up
  held
  node_conf
  with_images shared clone_store
  containerd_up
  until_ok 60 apiserver api_ready
  lap "$C" "API server ready"
  controllers_up
  until_ok 20 containerd ctrd_ready
  node_up
  until_ok 20 coredns "${kubectl[@]}" apply -f "$R/dns.yaml"
  # DNS is a process on the node, with a Service whose endpoint is written by hand: no image, no pod, no wait
  start coredns "$BIN/coredns" -conf "$R/Corefile"
  start corefile env KUBECACHEDIR="$R/kubecache" "$HERE/corefile" "$BIN/kubectl" "$R/pki/lab.conf" "$R/Corefile"
  start lb env KUBECACHEDIR="$R/kubecache" "$HERE/loadbalancer" "$BIN/kubectl" "$R/pki/lab.conf" "172.30.10$I" "$R/lb" "$C.lab" "$R/hosts" "$IP"
  until_ok 60 kubelet "${kubectl[@]}" wait --for=condition=Ready "node/$C-node" --timeout=1s
  # the first pod would be refused before that
  until_ok 20 kcm "${kubectl[@]}" get serviceaccount default
  lap "$C" "node Ready"
}
