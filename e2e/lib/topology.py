# SPDX-License-Identifier: Apache-2.0
"""A topology of e2e/topologies: what a user writes, the workloads, and the requests that must succeed and that must fail.

A folder holds resources.yaml (to be applied in the hub), workloads.yaml and matrix.yaml:
  title       what it is, in words
  networks    which network of the lab each cluster is on
  allow       requests that succeed: from a client (X@CLUSTER or X@MACHINE: EndPoint-X; outside: neither), to a URL, answered by each of
              these clusters and machines and no other (`some`: and by at least one of these: a gateway balances connections, and
              one of them takes many requests), the server seeing the client `as` this SPIFFE id, and itself being one `at` these
  deny        requests that fail
  handshakes  requests over TLS with a certificate that `signer` (a cluster's CA, or some other) issued for an id (or, wrongly, for a
              DNS name), to EndPoint-X directly or by its cluster's gateway, and what that gives: 200, 403 or refused
  cut         resources the deletion or change of which stops some of the requests
In URLs {pod X@CLUSTER} is the address of EndPoint-X there, {lb SERVICE@CLUSTER} that of a Service of type LoadBalancer.
"""
import base64
import concurrent.futures
import contextlib
import os
import re
import shlex
import sys
import time

import yaml

import peer
from lab import LAB, ROOT, Failed, run, until
from machine import Machine
from owned import OWNER, nothing_left
from system import API, ISTIO, Traffic, amiss

FOLDER = os.path.join(ROOT, "e2e/topologies")
NAMES = ["2b", "2", "3", "4", "5", "two-networks", "1"]
PLURALS = {"MemberCluster": "memberclusters", "Mesh": "meshes", "Gateway": "meshgateways", "TrustBundle": "trustbundles", "WorkloadGroup": "meshworkloadgroups"}
DEMO = "/api/v1/namespaces/demo"
DEPLOYMENTS = "/apis/apps/v1/deployments"
ROUNDS = 8  # of a request that several clusters answer


def parallel(function, items):
    """[function(x) for x in items], all at once."""
    with concurrent.futures.ThreadPoolExecutor(max_workers=8) as pool:
        return list(pool.map(function, items))


def script(requests, rounds):
    """Shell commands that send each (number, URL, Host or None) and tell what came."""
    lines = ["ask() { i=$1; shift; for k in $(seq $N); do echo \"#$i\"; curl -sS -m 3 -w '\\ncode=%{http_code}\\n' \"$@\" 2>&1 || :; done; }", f"N={rounds}"]
    for number, url, host in requests:
        lines.append(f"ask {number} {shlex.quote(url)}" + (f" -H {shlex.quote('Host: ' + host)}" if host else ""))
    return "\n".join(lines)


def answers(output):
    """{number: [{key: value} of each answer]} of what the script prints."""
    found = {}
    for block in re.split(r"^#", output, flags=re.M)[1:]:
        number, _, text = block.partition("\n")
        fields = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
        fields["error"] = " ".join(line for line in text.splitlines() if line.startswith("curl:"))
        found.setdefault(int(number), []).append(fields)
    return found


class Topology:
    def __init__(self, system, name):
        self.system, self.name = system, name
        self.text = self.file("resources.yaml")
        self.resources = [d for d in yaml.safe_load_all(self.text)]
        self.workloads = yaml.safe_load(self.file("workloads.yaml"))
        self.machines = {n: Machine(system, n, m["group"], m["endpoint"], self.mesh_of_group(m["group"])) for n, m in self.workloads.get("machines", {}).items()}
        matrix = yaml.safe_load(self.file("matrix.yaml"))
        self.title, self.networks = matrix["title"], matrix["networks"]
        self.allow, self.deny = matrix["allow"], matrix.get("deny", [])
        self.handshakes, self.cuts = matrix.get("handshakes", []), matrix.get("cut", [])

    def file(self, name):
        with open(os.path.join(FOLDER, self.name, name), encoding="utf-8") as f:
            return f.read()

    # --- bringing it up and down ---

    def wire(self):
        for cluster, network in self.networks.items():
            if cluster in self.system.all:
                run(LAB, "network", cluster, network)

    def apply(self):
        self.system.hub.apply(self.text)

    def objects(self):
        """[(name to show, object or None)] of the resources as they are now."""
        return [(f"{d['kind']}/{d['metadata']['name']}", self.system.hub.get(self.path(d))) for d in self.resources]

    @staticmethod
    def path(d):
        return f"{API}/{PLURALS[d['kind']]}/{d['metadata']['name']}"

    def is_ready(self):
        return all(self.system.is_ready(obj) for _, obj in self.objects())

    def ready(self, seconds=60):
        try:
            until(seconds, f"topology {self.name} Ready", self.is_ready)
        except Failed as e:
            raise Failed(f"{e}\n{self.why()}") from None

    def why(self):
        return amiss(self.objects())

    def mesh_of(self, cluster):
        for d in self.resources:
            if d["kind"] == "Mesh" and cluster in [c["name"] for c in d["spec"]["clusters"]]:
                return d["metadata"]["name"]
        return "-"

    def mesh_of_group(self, name):
        return next(d["spec"]["meshRef"]["name"] for d in self.resources if d["kind"] == "WorkloadGroup" and d["metadata"]["name"] == name)

    def remotes(self):
        return [c["name"] for d in self.resources if d["kind"] == "Mesh" for c in d["spec"]["clusters"] if c.get("role") == "Remote"]

    def endpoints(self):
        """[(X, cluster)]"""
        return [(x, c) for x, clusters in self.workloads["endpoints"].items() for c in clusters]

    def expose(self):
        """Applies the workloads but their pods, which have to come after what injects sidecars."""
        for cluster in self.workloads.get("ingress", []):
            run(LAB, "ingress", cluster)
        texts = {}
        for x, cluster in self.endpoints():
            docs = yaml.safe_load_all(self.system.endpoint_text(cluster, x, self.mesh_of(cluster)))
            texts.setdefault(cluster, []).extend(d for d in docs if d["kind"] != "Deployment")
        parallel(lambda c: self.system.all[c].apply(yaml.safe_dump_all(texts[c])), texts)

    def start(self):
        """Applies the workloads and waits until their pods are ready."""
        texts = {}
        for x, cluster in self.endpoints():
            texts.setdefault(cluster, []).append(self.system.endpoint_text(cluster, x, self.mesh_of(cluster)))
        parallel(lambda c: self.system.all[c].apply("\n---\n".join(texts[c])), texts)
        for cluster, objects in self.workloads.get("objects", {}).items():
            until(20, f"types of the workloads of {cluster}", lambda: self.system.all[cluster].apply(yaml.safe_dump_all(objects)))
        parallel(lambda e: self.system.all[e[1]].kubectl("rollout", "status", "-n", "demo", f"deployment/endpoint-{e[0]}", "--timeout=60s"), self.endpoints())

    def join(self):
        """Switches the machines on and has them join; those that are in the mesh stay as they are."""
        new = [m for n, m in self.machines.items() if n not in self.system.machines]
        for m in new:
            m.make()
            self.system.machines[m.name] = m
        parallel(lambda m: m.join(), new)

    def follow(self):
        """After gateways got other addresses: machines don't learn of that by themselves."""
        parallel(lambda m: m.follow(), self.machines.values())

    def up(self):
        """From the resources to answers; returns the seconds until Ready and until all is answered."""
        begin = time.monotonic()
        self.expose()
        self.apply()
        if self.mesh_of("c1") == "-":
            self.start()
        self.ready(90)
        ready = time.monotonic() - begin
        self.start()
        self.join()
        self.check(30)
        return ready, time.monotonic() - begin

    def stop(self):
        """Takes the workloads away, and the types of theirs that were left for them."""
        def clear(cluster):
            for kind in ["deployments", "services", "serviceaccounts", *sorted({o["kind"].lower() + "s" for o in self.workloads.get("objects", {}).get(cluster.name, [])})]:
                names = [o for o in (cluster.kubectl("get", kind, "-n", "demo", "-o", "name", ok=False) or "").split() if "/default" not in o]
                if names:
                    cluster.kubectl("delete", "-n", "demo", "--wait=false", "--ignore-not-found", *names)
            for kind in self.kept_types(cluster.name):
                cluster.kubectl("delete", "--ignore-not-found", kind.replace(" /", "/"))
        parallel(clear, self.system.all.values())
        for name in self.machines:
            if self.system.machines.pop(name, None):
                run(LAB, "stop", name)

    def kept_types(self, cluster):
        """The types of the workloads' own objects in a cluster, as inventory() has them."""
        objects = self.workloads.get("objects", {}).get(cluster, [])
        return {f"customresourcedefinitions /{o['kind'].lower()}s.{o['apiVersion'].split('/')[0]}" for o in objects}

    def delete(self):
        """Starts the deletion of all but the members; without a mesh, of these too: a cluster set is theirs."""
        for d in self.resources:
            if d["kind"] != "MemberCluster" or self.mesh_of("c1") == "-":
                self.system.hub.delete(self.path(d))

    def gone(self, seconds=60):
        """Waits until the resources are gone, the members last."""
        paths = [self.path(d) for d in self.resources if d["kind"] != "MemberCluster"]
        until(seconds, "resources deleted", lambda: all(self.system.hub.get(p) is None for p in paths))
        members = [self.path(d) for d in self.resources if d["kind"] == "MemberCluster"]
        for p in members:
            self.system.hub.delete(p)
        until(30, "members deleted", lambda: all(self.system.hub.get(p) is None for p in members))

    @contextlib.contextmanager
    def running(self):
        """Up while the block runs; afterwards all of it is gone, and nothing is left in any cluster."""
        self.wire()
        try:
            self.up()
            yield self
        finally:
            self.delete()
            self.gone(90)
            self.stop()
        for name, cluster in self.system.all.items():
            until(60, f"nothing is left in {name}", lambda: nothing_left(cluster) == [] and cluster.get(ISTIO) is None)

    # --- the matrix ---

    def pod(self, endpoint):
        x, cluster = endpoint.split("@")
        pods = self.system.all[cluster].list(f"{DEMO}/pods", f"app=endpoint-{x}")
        return next(p for p in pods if "deletionTimestamp" not in p["metadata"] and p["status"].get("podIP"))

    def load_balancer(self, service):
        name, cluster = service.split("@")
        found = [s for s in self.system.all[cluster].list("/api/v1/services") if s["metadata"]["name"] == name]
        return found[0]["status"]["loadBalancer"]["ingress"][0]["ip"]

    def address(self, endpoint):
        machine = self.machines.get(endpoint.partition("@")[2])
        return machine.address if machine else self.pod(endpoint)["status"]["podIP"]

    def url(self, text):
        text = re.sub(r"\{pod ([^}]+)\}", lambda m: self.address(m[1]), text)
        return re.sub(r"\{lb ([^}]+)\}", lambda m: self.load_balancer(m[1]), text)

    def ask(self, lines, rounds=None):
        """[answers of each line], all clients at once; several rounds where several clusters are to answer."""
        batches = {}
        for i, line in enumerate(lines):
            many = rounds or (ROUNDS if len(line.get("by", []) + line.get("some", [])) > 1 else 1)
            batches.setdefault((line["from"], many), []).append((i, self.url(line["url"]), line.get("host")))
        found = {}
        for output in parallel(lambda key: self.system.shell(key[0], script(batches[key], key[1])), list(batches)):
            found.update(answers(output))
        return [found.get(i, []) for i in range(len(lines))]

    @staticmethod
    def complaint(line, got):
        """What is wrong with the answers of a line that must succeed; None: nothing."""
        bad = [a for a in got if a.get("code") != "200"]
        if bad or not got:
            return f"{bad[0].get('code')} {bad[0]['error']}" if bad else "no answer"
        clusters, some = {a.get("cluster", "-") for a in got}, set(line.get("some", []))
        if clusters - some != set(line["by"]) or (some and not clusters & some):
            return f"answered by {sorted(clusters)}"
        seen = [a.get("xfcc", "").split(";") for a in got]
        wanted = f"URI={line['as']}" if "as" in line else ""
        themselves = {f"By={uri}" for uri in line.get("at", [])}
        return next((f"xfcc={';'.join(x)}" for x in seen if (wanted and wanted not in x) or (themselves and not themselves & set(x))), None)

    def complaints(self, lines=None):
        """What is wrong with the lines that must succeed."""
        found = []
        lines = lines or self.allow
        for line, got in zip(lines, self.ask(lines)):
            wrong = self.complaint(line, got)
            if wrong:
                found.append(f"{line['from']} {line['url']} by {line['by']}: {wrong}")
        return found

    def answered(self, seconds, lines=None):
        """All that must succeed does within that time."""
        end = time.monotonic() + seconds
        while wrong := self.complaints(lines):
            if time.monotonic() > end:
                raise Failed("requests that must succeed:\n" + "\n".join(wrong) + "\n" + self.why())
            time.sleep(0.3)

    def check(self, seconds=20):
        """The matrix: all that must succeed does within that time, and then nothing that must fail succeeds."""
        self.answered(seconds)
        for line, got in zip(self.deny, self.ask(self.deny, rounds=2)):
            through = [a for a in got if a.get("code") == "200"]
            assert got and not through, f"{line['from']} {line['url']} must fail, and was answered: {through}"
        self.shake_hands(self.handshakes)

    # --- certificates of one's own making ---

    def signer(self, name):
        """(file of certificate and key, chain) of the CA of a cluster's mesh, or of one that nobody knows."""
        if name == "other":
            return peer.authority(self.system.folder)
        data = {k: base64.b64decode(v).decode() for k, v in self.system.all[name].get(f"{ISTIO}/secrets/cacerts")["data"].items()}
        path = os.path.join(self.system.folder, f"{name}-ca")
        with open(path, "w", encoding="utf-8") as f:
            f.write(data["ca-cert.pem"] + data["ca-key.pem"])
        return path, data["cert-chain.pem"]

    def handshake(self, h, ca, chain):
        x, cluster = h["to"].split("@")
        leaf = peer.mint(self.system.folder, f"leaf-{time.monotonic_ns()}", ca, chain, h.get("id"), h.get("dns"))
        name = f"service-{h['sni'] if 'sni' in h else x}.demo"
        if h.get("by") == "gateway":
            to = self.load_balancer(f"istio-eastwestgateway@{cluster}"), "15443"
        else:
            to = self.address(h["to"]), "8080"
        where = "net" if h.get("from") == "outside" else cluster
        return run(LAB, "in", where, sys.executable, os.path.join(ROOT, "e2e/lib/peer.py"), *to, f"outbound_.80_._.{name}.svc.cluster.local", name, leaf).strip()

    def shake_hands(self, handshakes):
        signers = {name: self.signer(name) for name in {h["signer"] for h in handshakes}}
        for h, got in zip(handshakes, parallel(lambda h: self.handshake(h, *signers[h["signer"]]), handshakes)):
            assert got.split()[0] == h["gives"], f"{h}: {got}"
            if h["gives"] == "200":
                assert f"URI={h['id']}" in got, f"{h}: {got}"

    # --- what is disturbed ---

    def across(self):
        """Those that must succeed and are answered from another cluster than the client's."""
        return [line for line in self.allow if "host" not in line and line["from"] != "outside" and line["by"] != [line["from"].split("@")[1]]]

    @contextlib.contextmanager
    def traffic(self, lines=None, strict=True, lenient=()):
        """Requests of all that cross clusters while the block runs; yields the list of their Traffic, of which `failed` counts then.
        Not strict: those of clients in `lenient` clusters or machines."""
        flows = []
        for line in lines or self.across():
            x, _, where = line["from"].partition("@")
            flows.append(Traffic(self.system, where, x, self.url(line["url"]), strict and where not in lenient))
        try:
            parallel(Traffic.start, flows)
            yield flows
        finally:
            parallel(Traffic.finish, flows)
        wrong = [c for c in map(Traffic.complaint, flows) if c]
        assert not wrong, "\n".join(wrong)

    def deployments(self, of):
        """[(cluster, namespace, name)] of ours: of istiod, or of the gateways."""
        found = []
        for c in self.system.all.values():
            for d in c.list(DEPLOYMENTS, OWNER):
                if (d["metadata"]["name"].startswith("istiod")) == (of == "istiod"):
                    found.append((c, d["metadata"]["namespace"], d["metadata"]["name"]))
        return found

    def restart(self, deployments):
        for c, ns, name in deployments:
            c.kubectl("rollout", "restart", "-n", ns, f"deployment/{name}")
        parallel(lambda d: d[0].kubectl("rollout", "status", "-n", d[1], f"deployment/{d[2]}", "--timeout=60s"), deployments)

    def services(self):
        """[(cluster, namespace, name)] of our Services with a load balancer."""
        return [(c, s["metadata"]["namespace"], s["metadata"]["name"]) for c in self.system.all.values()
                for s in c.list("/api/v1/services", OWNER) if s["spec"].get("type") == "LoadBalancer"]

    def stops(self, cut, seconds=10):
        """Deletes or changes what a cut says: the requests that it names stop within that time. Returns how long it took."""
        with self.traffic(cut["stops"], strict=False) as flows:
            begin = time.time()
            self.cut(cut)
            until(seconds + 20, f"stopped by {cut}", lambda: all(f.quiet_since() for f in flows), 0.5)
        took = max(f.quiet_since() - begin for f in flows)
        assert took <= seconds, f"{cut}: went on for {took:.1f} s"
        return took

    def cut(self, cut):
        if "patch" in cut:
            self.system.hub.patch(f"{API}/{cut['patch']}", cut["with"])
        elif "cluster" in cut:
            self.system.all[cut["cluster"]].kubectl("delete", "-n", "demo", "--wait=false", cut["delete"])
        else:
            self.system.hub.delete(f"{API}/{cut['delete']}")

    def restore(self, cut):
        """After a cut: everything as it was. A Mesh that is made anew has another root: pods that run have to be restarted."""
        deleted = [c["delete"] for c in self.cuts if "delete" in c and "cluster" not in c]
        until(60, "deletions are through", lambda: not any((self.system.hub.get(f"{API}/{d}") or {"metadata": {}})["metadata"].get("deletionTimestamp") for d in deleted))
        self.apply()
        self.start()
        self.ready()
        kind, _, name = cut.get("delete", "").partition("/")
        if kind == "meshes":
            self.restart([(self.system.all[c], "demo", f"endpoint-{x}") for x, c in self.endpoints() if self.mesh_of(c) == name])


def failures(flows):
    """How many requests failed, over which time, and how the first did, in words."""
    bad = [f"{f.what}: {f.failed} of {len(f.rows)} failed, within {f.outage():.1f} s ({f.first_failure()})" for f in flows if f.failed]
    return ", ".join(bad) or f"0 of {sum(len(f.rows) for f in flows)} requests failed"


def inventory(cluster):
    """The path of every object of the cluster but those that come and go by themselves."""
    skip = {"events", "leases", "endpointslices", "pods", "replicasets", "controllerrevisions", "ipaddresses", "apiservices",
            "ingressclasses"}  # the lab's own
    found = set()
    for api, plural, _ in cluster.kinds(again=True):
        if plural not in skip and api != "/apis/metrics.k8s.io/v1beta1":
            for item in cluster.list(f"{api}/{plural}"):
                found.add(f"{plural} {item['metadata'].get('namespace', '')}/{item['metadata']['name']}")
    return found
