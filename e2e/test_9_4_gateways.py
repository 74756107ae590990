# SPDX-License-Identifier: Apache-2.0
"""Gateways that a user writes: into the mesh, out of it, and how they are reached. c1 and c2 are the mesh, c3 is outside."""
import json
import os

import pytest
import yaml
from lab import LAB, ROOT, Failed, run, until
from owned import nothing_left
from system import API, BINARY, ISTIO, NS, VALUES
from topology import Topology, answers, script

NODES = {"c1": "172.30.0.11", "c2": "172.30.0.12", "c3": "172.30.0.13"}
OUTSIDE = "service-x.demo.c3.lab"  # the load balancer of a Service of c3, by name


@pytest.fixture(scope="module")
def mesh(fleet):
    t = Topology(fleet, "2b")
    t.wire()
    try:
        t.up()
        yield t
    finally:
        for g in fleet.hub.list(f"{API}/meshgateways"):
            fleet.hub.delete(f"{API}/meshgateways/{g['metadata']['name']}")
        t.delete()
        t.gone(90)
        t.stop()


def gateway(mesh, name, **spec):
    """Applies a Gateway and waits until it is Ready; returns it."""
    mesh.system.apply("Gateway", name, **spec)
    path = f"{API}/meshgateways/{name}"
    try:
        until(60, f"gateway {name} Ready", lambda: mesh.system.is_ready(mesh.system.hub.get(path)))
    except Failed as e:
        raise Failed(f"{e}\n{json.dumps(mesh.system.hub.get(path).get('status'), indent=1)}") from None
    return mesh.system.hub.get(path)


def removed(mesh, name):
    mesh.system.hub.delete(f"{API}/meshgateways/{name}")
    until(30, f"gateway {name} is gone", lambda: mesh.system.hub.get(f"{API}/meshgateways/{name}") is None)
    for c in mesh.system.all.values():
        path = f"/api/v1/namespaces/istio-system/services/{name}"
        until(30, f"Service {name} is gone from {c.name}", lambda: c.get(path) is None)


def addresses(found, cluster):
    return next(row for row in found["status"]["clusters"] if row["name"] == cluster)["addresses"]


def curl(*args):
    """What a client outside all clusters gets."""
    return answers("#0\n" + run(LAB, "in", "net", "sh", "-c", 'curl -sS -m 3 -w "\\ncode=%{http_code}\\n" "$@" 2>&1 || :', "sh", *args))[0][0]


def certificate(system, name):
    """Makes a server certificate, and puts it into the Secret of the hub; returns its file."""
    key, cert = (os.path.join(system.folder, f"{name}.{end}") for end in ("key", "crt"))
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "7", "-keyout", key, "-out", cert,
        "-subj", f"/CN={name}", "-addext", "subjectAltName=DNS:shop.example.com")
    text = system.hub.kubectl("create", "secret", "tls", "front-cert", "-n", NS, f"--cert={cert}", f"--key={key}", "--dry-run=client", "-o", "yaml")
    system.hub.apply(text)
    return cert


ROUTE = {"host": "shop.example.com", "namespace": "demo", "service": "service-b", "port": 80}


def test_http_and_https_come_in(mesh, note):
    """Into the mesh by an Ingress gateway of c1: answered by both clusters, which see the gateway's identity."""
    first = certificate(mesh.system, "first")
    found = gateway(mesh, "front", type="Ingress", meshRef={"name": "shop"}, clusters=["c1"], routes=[ROUTE], tlsSecretRef={"name": "front-cert"})
    address = addresses(found, "c1")[0]
    http = ["-H", "Host: shop.example.com", f"http://{address}/"]
    https = ["--resolve", f"shop.example.com:443:{address}", "--cacert", first, "https://shop.example.com/"]
    for request in http, https:
        until(20, "an answer", lambda: curl(*request).get("code") == "200")
        got = [curl(*request) for _ in range(12)]
        assert {a["code"] for a in got} == {"200"}, got
        assert {a["cluster"] for a in got} == {"c1", "c2"}, got
        assert all("URI=spiffe://shop.mesh/ns/istio-system/sa/" in a["xfcc"] for a in got), got
    assert curl("-H", "Host: other.example.com", f"http://{address}/")["code"] == "404"
    second = certificate(mesh.system, "second")
    renewed = ["--resolve", f"shop.example.com:443:{address}", "--cacert", second, "https://shop.example.com/"]
    until(150, "the renewed certificate is served", lambda: curl(*renewed).get("code") == "200", 1)
    removed(mesh, "front")
    until(10, "nobody answers", lambda: curl(*http).get("code") == "000")


def test_tls_goes_through_and_by_node_port(mesh):
    found = gateway(mesh, "front", type="Ingress", meshRef={"name": "shop"}, clusters=["c2"], routes=[ROUTE], exposure="NodePort", listeners=[{"port": 80, "protocol": "HTTP"}])
    service = mesh.system.all["c2"].get("/api/v1/namespaces/istio-system/services/front")
    port = next(p["nodePort"] for p in service["spec"]["ports"] if p["port"] == 80)
    until(20, "an answer", lambda: curl("-H", "Host: shop.example.com", f"http://{NODES['c2']}:{port}/").get("code") == "200")
    assert found["status"]["clusters"], found
    removed(mesh, "front")


def left_through(mesh):
    """How many requests the Egress gateways of both clusters have sent outside, as their Envoys count them."""
    text = "".join(mesh.system.all[c].kubectl("exec", "-n", "istio-system", "deployment/out", "--", "curl", "-sS", "-m", "5", "http://127.0.0.1:15000/clusters") for c in ("c1", "c2"))
    return sum(int(line.rsplit("::", 1)[1]) for line in text.splitlines() if line.startswith(f"outbound|80||{OUTSIDE}::") and "::rq_total::" in line)


def test_what_leaves_goes_through_the_egress_gateway(mesh):
    """Plain HTTP of a client, mTLS to the gateway, plain HTTP to the host outside, which learns nothing of who asked."""
    c3 = mesh.system.all["c3"]
    c3.apply(mesh.system.endpoint_text("c3", "x", "-"))
    c3.kubectl("patch", "service", "-n", "demo", "service-x", "-p", json.dumps({"spec": {"type": "LoadBalancer"}}))
    c3.kubectl("annotate", "service", "-n", "demo", "service-x", "--overwrite", "lab/hostname=true")
    c3.kubectl("rollout", "status", "-n", "demo", "deployment/endpoint-x", "--timeout=60s")
    gateway(mesh, "out", type="Egress", meshRef={"name": "shop"}, routes=[{"host": OUTSIDE, "port": 80}])
    try:
        mesh.answered(30, [{"from": "a@c1", "url": f"http://{OUTSIDE}/", "by": ["c3"]}])
        before = left_through(mesh)
        got = answers(mesh.system.shell("a@c1", script([(0, f"http://{OUTSIDE}/", None)], 10)))[0]
        assert [a["code"] for a in got] == ["200"] * 10, got
        assert {a["xfcc"] for a in got} == {"-"}, "who asked is nobody's business outside"
        assert left_through(mesh) == before + 10
    finally:
        removed(mesh, "out")
        c3.kubectl("delete", "deployment/endpoint-x", "service/service-x", "serviceaccount/endpoint-x", "-n", "demo", "--ignore-not-found")


def test_networks_are_joined_by_node_ports(mesh):
    """The east-west gateway of each network behind a port of its node, for where there is no load balancer."""
    system = mesh.system
    for cluster in "c1", "c2":
        system.apply("Gateway", f"ew-{cluster}", type="EastWest", meshRef={"name": "shop"}, clusters=[cluster], exposure="NodePort", addresses=[NODES[cluster]])
    system.hub.patch(f"{API}/memberclusters/c2", {"spec": {"network": "dc1"}})
    try:
        path = f"{ISTIO}/services/istio-eastwestgateway"
        for cluster in "c1", "c2":
            until(60, "the gateway has a node port", lambda: system.all[cluster].get(path)["spec"]["type"] == "NodePort")
        run(LAB, "network", "c2", "dc1")
        mesh.ready(90)
        mesh.answered(60)
    finally:
        run(LAB, "network", "c2", "lan")
        system.hub.patch(f"{API}/memberclusters/c2", {"spec": {"network": "lan"}})
        for cluster in "c1", "c2":
            system.hub.delete(f"{API}/meshgateways/ew-{cluster}")
    mesh.ready(90)
    mesh.answered(60)


def networks(mesh, cluster):
    """What the istiod of a cluster knows of gateways, as its own debugging says: {network: [address:port]}."""
    text = mesh.system.all[cluster].kubectl("exec", "-n", "istio-system", "deployment/istiod", "--", "curl", "-sS", "-f", "-m", "5", "http://127.0.0.1:8080/debug/networkz")
    return json.loads(text)


def test_a_network_that_is_left_is_forgotten(mesh):
    """istiod's own list of gateways, after the last cluster of a network has moved away from it."""
    system = mesh.system
    system.hub.patch(f"{API}/memberclusters/c2", {"spec": {"network": "dc1"}})
    mesh.ready(90)
    try:
        until(30, "c1 knows the gateway of dc1", lambda: any(g.get("Network", g.get("network")) == "dc1" for g in networks(mesh, "c1")))
    finally:
        system.hub.patch(f"{API}/memberclusters/c2", {"spec": {"network": "lan"}})
    mesh.ready(90)
    for cluster in "c1", "c2":
        until(30, f"{cluster} has forgotten all gateways", lambda: not networks(mesh, cluster))
    mesh.check()


def test_a_cluster_set_spans_a_mesh_and_what_is_outside(mesh):
    """Both ways between c1 of the mesh and c3, which has none, by names of the set."""
    system = mesh.system
    run(LAB, "network", "c3", "lan")
    system.apply("MemberCluster", "c3", network="lan", clusterSet="all")
    system.hub.patch(f"{API}/memberclusters/c1", {"spec": {"clusterSet": "all"}})
    c3 = system.all["c3"]
    c3.apply(system.endpoint_text("c3", "x", "-"))
    c3.kubectl("rollout", "status", "-n", "demo", "deployment/endpoint-x", "--timeout=60s")
    exports = {"c1": "service-b", "c3": "service-x"}
    for cluster, name in exports.items():
        export = {"apiVersion": "multicluster.x-k8s.io/v1alpha1", "kind": "ServiceExport", "metadata": {"name": name, "namespace": "demo"}}
        until(30, "the types are there", lambda: [system.all[cluster].apply(yaml.safe_dump(export))])
    lines = [{"from": "a@c1", "url": "http://service-x.demo.svc.clusterset.local/", "by": ["c3"]},
             {"from": "x@c3", "url": "http://service-b.demo.svc.clusterset.local/", "by": ["c1"]}]
    try:
        mesh.answered(60, lines)
    finally:
        for cluster, name in exports.items():
            system.all[cluster].kubectl("delete", f"serviceexport/{name}", "-n", "demo", "--ignore-not-found")
        system.hub.patch(f"{API}/memberclusters/c1", {"spec": {"clusterSet": None}})
        system.hub.delete(f"{API}/memberclusters/c3")
        c3.kubectl("delete", "deployment/endpoint-x", "service/service-x", "serviceaccount/endpoint-x", "-n", "demo", "--ignore-not-found")
        mesh.wire()
    until(60, "nothing is left in c3", lambda: system.member("c3") is None and nothing_left(c3) == [])


def theirs(text):
    """Rendered objects as somebody else would have made them: without our labels."""
    docs = [d for d in yaml.safe_load_all(text) if d]
    for d in docs:
        labels = d["metadata"].get("labels", {})
        d["metadata"]["labels"] = {k: v for k, v in labels.items() if "meshwright" not in k and v != "meshwright"}
        d["metadata"]["annotations"] = {k: v for k, v in d["metadata"].get("annotations", {}).items() if "meshwright" not in k}
        if isinstance(d.get("spec"), str):  # "<file: PATH>"
            with open(d["spec"].split()[1].rstrip(">"), encoding="utf-8") as f:
                d["spec"] = json.load(f)["spec"]
        for volume in d["spec"]["template"]["spec"]["volumes"] if d["kind"] == "Deployment" else []:
            if "secret" in volume:  # it makes a root of its own
                volume["secret"]["optional"] = True
    return docs


ALONE = [{"apiVersion": "meshwright.dev/v1alpha1", "kind": "MemberCluster", "metadata": {"name": "c3", "namespace": NS}, "spec": {}},
         {"apiVersion": "meshwright.dev/v1alpha1", "kind": "Mesh", "metadata": {"name": "alone", "namespace": NS}, "spec": {"clusters": [{"name": "c3"}]}}]


def another(system):
    """The objects of an istiod that somebody installs by hand, of the same names."""
    with open(os.path.join(system.folder, "alone.yaml"), "w", encoding="utf-8") as f:
        yaml.safe_dump_all(ALONE, f)
    values = yaml.safe_load(open(VALUES, encoding="utf-8"))
    env = [arg for name, value in values["istiodEnv"].items() for arg in ("--istiod-env", f"{name}={value}")]
    text = run(BINARY, "render", "-f", system.folder, "--cluster", "c3", "--data", os.path.join(ROOT, "build/share/istio-data"),
               "--istio-hub", values["istio"]["hub"], "--istio-tag", values["istio"]["tag"], *env)
    return theirs(text)


def install(cluster, docs):
    crds = [d for d in docs if d["kind"] == "CustomResourceDefinition"]
    cluster.apply(yaml.safe_dump_all(crds), "--server-side")
    cluster.apply(yaml.safe_dump_all([d for d in docs if d["kind"] == "Namespace"]))
    until(20, "types are served", lambda: [cluster.apply(yaml.safe_dump_all([d for d in docs if d["kind"] not in ("CustomResourceDefinition", "Namespace", "Secret")]))])
    cluster.kubectl("rollout", "status", "-n", "istio-system", "deployment/istiod", "--timeout=60s")


def test_an_istiod_of_somebody_else_is_adopted_only_when_told(mesh):
    system, c3 = mesh.system, mesh.system.all["c3"]
    path = "/apis/apps/v1/namespaces/istio-system/deployments/istiod"
    docs = another(system)
    try:
        install(c3, docs)
        mark, uid = c3.mark(), c3.get(path)["metadata"]["uid"]
        system.hub.apply(yaml.safe_dump_all(ALONE))
        until(30, "it is told", lambda: system.condition(system.mesh("alone"))[1] == "ForeignControlPlane")
        assert c3.writes(mark) == []
        system.hub.patch(f"{API}/meshes/alone", {"spec": {"clusters": [{"name": "c3", "adopt": True}]}})
        system.ready(90, "alone")
        live = c3.get(path)
        assert live["metadata"]["uid"] == uid, "it was made anew"
        assert live["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "meshwright"
    finally:
        system.delete_mesh("alone")
        system.hub.delete(f"{API}/memberclusters/c3")
        c3.kubectl("delete", "--ignore-not-found", "--wait=false", "-f", "-", data=yaml.safe_dump_all(docs))
    until(60, "nothing is left", lambda: nothing_left(c3) == [] and c3.get(ISTIO) is None)
