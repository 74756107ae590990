# SPDX-License-Identifier: Apache-2.0
"""Machines of topology 5 from their first bundle to the end of their group: what they do, and what goes wrong with them."""
import base64
import json
import os
import subprocess
import time

import pytest
from bundles import differences, groups, istioctl
from lab import LAB, Failed, run, until
from machine import Machine
from owned import nothing_left
from system import API, ISTIO, NS
from topology import Topology, parallel

ENTRIES = "/apis/networking.istio.io/v1/namespaces/demo/workloadentries"


@pytest.fixture(scope="module")
def five(fleet):
    with Topology(fleet, "5").running() as t:
        yield t


@pytest.fixture
def spare(five):
    """A machine more, in no mesh yet, for the group machines-v."""
    m = Machine(five.system, "m4", "machines-v", "v", "shop")
    m.make()
    five.system.machines["m4"] = m
    yield m
    del five.system.machines["m4"]
    m.off()
    until(40, "the spare machine is forgotten", lambda: m.address not in addresses(five))


def group(five, name):
    return five.system.hub.get(f"{API}/meshworkloadgroups/{name}")


def workloads(five, name):
    return group(five, name)["status"]["summary"]["workloads"]


def addresses(five):
    """Of all machines that are registered in c1."""
    return [e["spec"]["address"] for e in five.system.hub.list(ENTRIES)]


def line(five, client, url):
    return next(x for x in five.allow if x["from"] == client and url in x["url"])


# --- as they should be ---


def test_requests_with_identities_on_both_sides(five, note):
    begin = time.monotonic()
    five.check(10)
    note(f"{len(five.allow)} requests that must succeed and {len(five.deny)} that must fail: {time.monotonic() - begin:.1f} s")


def test_status_tells_of_each_machine(five):
    for name, m in five.machines.items():
        status = until(10, f"{m.group} is told", lambda: s if (s := group(five, m.group)["status"])["summary"]["workloads"] == "1/1" else None)
        told = status["machines"][0]
        assert (told["address"], told["network"], told["health"]) == (m.address, "vms", "Healthy"), told
        assert told["connectedSince"] and m.address in told["name"], told
        assert status["istiodAddress"] == five.load_balancer(f"istio-eastwestgateway@{status['cluster']}"), name
        assert status["accountMade"] and status["serviceAccount"] == m.group


def test_a_bundle_is_installed_twice(five):
    m = five.machines["m1"]
    m.put(m.bundle())
    assert m.install()[0] == 0
    m.joined()
    hosts, rules = m.hosts(), m.shell("iptables-legacy-save; iptables-save 2>/dev/null")
    with five.traffic([line(five, "a@c1", "service-b"), line(five, "b@m1", "service-a")]):
        code, output = m.install()
        assert code == 0 and "all is as it should be" in output, output
        time.sleep(2)
    assert m.hosts() == hosts and hosts.count("istiod") == 1, m.hosts()
    assert len(m.shell("iptables-legacy-save; iptables-save 2>/dev/null").splitlines()) == len(rules.splitlines())


def test_what_was_installed_can_be_undone(five, spare):
    before = spare.shell("find /etc /var /usr/local /root -xdev | grep -v /root/bundle; cat /etc/hosts")
    spare.join()
    assert spare.get("http://service-a.demo/")["cluster"] == "c1"
    code, output = spare.install("--undo")
    assert code == 0, output
    assert spare.shell("find /etc /var /usr/local /root -xdev | grep -v /root/bundle; cat /etc/hosts") == before
    assert "ISTIO" not in spare.shell("iptables-legacy-save; iptables-save 2>/dev/null")
    assert spare.attempt("curl -sS -m 3 http://service-a.demo/")[0] != 0
    until(30, "it is forgotten", lambda: spare.address not in addresses(five))


# --- life ---


def test_an_unhealthy_machine_gets_no_requests(five, note):
    m, pods = five.machines["m1"], line(five, "a@c1", "service-b") | {"by": ["c1", "c2"]}
    begin = time.monotonic()
    m.stop_serving()
    until(20, "it gets none", lambda: not five.complaints([pods] * 3))
    note(f"out of rotation after {time.monotonic() - begin:.1f} s")
    until(10, "the status says so", lambda: workloads(five, m.group) == "0/1" and group(five, m.group)["status"]["machines"][0]["health"] == "Unhealthy")
    with five.traffic([pods]):
        time.sleep(3)
    begin = time.monotonic()
    m.serve()
    until(20, "it gets some again", lambda: not five.complaints([line(five, "a@c1", "service-b")]))
    note(f"back after {time.monotonic() - begin:.1f} s")


@pytest.mark.parametrize("program", ["envoy", "pilot-agent"])
def test_an_agent_that_dies_is_started_again(five, program, note):
    m = five.machines["m2"]
    m.kill(program)
    begin = time.monotonic()
    until(40, "it answers and asks", lambda: m.is_ready() and not five.complaints([x for x in five.allow if x["from"] == "v@m2" or x["by"] == ["m2"]]))
    note(f"all again after {time.monotonic() - begin:.1f} s")


def test_a_machine_is_switched_off_and_on(five, note):
    m = five.machines["m2"]
    begin = time.monotonic()
    m.off()
    until(40, "it is forgotten", lambda: m.address not in addresses(five) and workloads(five, m.group) == "0/0")
    note(f"forgotten after {time.monotonic() - begin:.1f} s")
    begin = time.monotonic()
    m.on()  # by its certificate: the token was in memory
    m.joined(30)
    until(20, "all answer", lambda: not five.complaints())
    note(f"all again after {time.monotonic() - begin:.1f} s")


def test_a_machine_whose_certificate_ended_needs_a_new_token(five, spare):
    spare.shell("mkdir -p /etc/default; echo SECRET_TTL=30s > /etc/default/meshwright-machine")
    spare.join()
    spare.off()
    time.sleep(35)
    spare.on()
    assert spare.attempt("openssl x509 -noout -checkend 0 -in /etc/certs/cert-chain.pem")[0] == 1, "the certificate is still good"
    until(20, "it is refused", lambda: "Unauthenticated" in spare.log() or "no token" in spare.log(60))
    assert not spare.is_ready() and spare.address not in addresses(five)
    spare.shell("rm /etc/default/meshwright-machine")
    spare.join()
    assert spare.get("http://service-a.demo/")["cluster"] == "c1"


def test_a_power_cut_between_key_and_certificate(five, spare):
    """Any key but its own keeps the agent from asking for another one; a new bundle mends that, too."""
    spare.join()
    spare.shell("openssl ecparam -genkey -name prime256v1 -noout -out /etc/certs/key.pem; chown istio-proxy /etc/certs/key.pem")
    spare.off()
    spare.on()
    time.sleep(5)
    assert not spare.is_ready()
    spare.join()
    assert spare.get("http://service-a.demo/")["cluster"] == "c1"


def test_a_gateway_moves(five, note):
    """The mesh follows by itself; a machine has the address in its /etc/hosts, and is told by a newer bundle."""
    m = five.machines["m1"]
    old = group(five, m.group)["status"]["istiodAddress"]
    five.system.hub.kubectl("annotate", "service", "-n", "istio-system", "istio-eastwestgateway", "--overwrite", f"lab/address=moved-{time.monotonic_ns()}")
    new = until(20, "the status follows", lambda: a if (a := group(five, m.group)["status"]["istiodAddress"]) != old else None)
    assert new == five.load_balancer("istio-eastwestgateway@c1")
    five.system.machines["m2"].kill("pilot-agent")  # who is connected may stay so for a while: this one has to connect anew
    until(30, "it can't", lambda: workloads(five, "machines-v") == "0/0")
    begin = time.monotonic()
    five.follow()
    until(40, "all answer", lambda: not five.complaints() and workloads(five, "machines-v") == "1/1")
    note(f"all again {time.monotonic() - begin:.1f} s after install.sh --refresh began")
    assert new in m.hosts() and old not in m.hosts(), m.hosts()


def test_a_bundle_is_kept_in_a_secret(five, spare):
    """For who works by GitOps: made while the group asks for it, and as good as one that was asked for by hand."""
    hub, path, secret = five.system.hub, f"{API}/meshworkloadgroups/machines-v", f"/api/v1/namespaces/{NS}/secrets/join-v"
    hub.patch(path, {"spec": {"bundleSecret": {"name": "join-v"}}})
    data = until(20, "the Secret is there", lambda: hub.get(secret)["data"])
    five.ready()
    spare.put({name: base64.b64decode(value).decode() for name, value in data.items()})
    code, output = spare.install()
    assert code == 0, output
    spare.joined()
    assert spare.get("http://service-a.demo/")["cluster"] == "c1"
    hub.patch(path, {"spec": {"bundleSecret": None}})
    until(20, "the Secret is gone", lambda: hub.get(secret) is None)
    five.ready()


def attach(five, m, cluster):
    """A machine's control plane is another one from now on: a spec edit, and a newer bundle."""
    hub = five.system.hub
    hub.patch(f"{API}/meshworkloadgroups/{m.group}", {"spec": {"cluster": cluster}})
    until(60, f"the group is in {cluster}", lambda: group(five, m.group)["status"]["cluster"] == cluster)
    five.ready()
    until(40, "the way to istiod there is open", lambda: [m.follow()])
    until(30, "its machine is told", lambda: workloads(five, m.group) == "1/1" and group(five, m.group)["status"]["machines"][0]["health"] == "Healthy")


def test_a_group_moves_to_another_control_plane(five, note):
    """To c3, which joins the mesh for that, and back; the machine keeps its identity and needs no new token."""
    hub, m = five.system.hub, five.machines["m2"]
    lines = [x for x in five.allow if x["by"] == ["m2"] and x["from"] in ("a@c1", "b@m1") or x["from"] == "v@m2" and x["by"] == ["c1"]]
    five.system.apply("MemberCluster", "c3")
    mesh = five.system.mesh("shop")["spec"]
    hub.patch(f"{API}/meshes/shop", {"spec": {"clusters": [{"name": "c1"}, {"name": "c3"}]}})
    try:
        until(90, "c3 is in the mesh", lambda: five.is_ready() and five.system.is_ready(five.system.member("c3")))
        begin = time.monotonic()
        attach(five, m, "c3")
        five.answered(60, lines)
        note(f"in c3 after {time.monotonic() - begin:.1f} s")
        assert hub.get("/apis/networking.istio.io/v1/namespaces/demo/workloadgroups/machines-v") is None, "left in c1"
        attach(five, m, "c1")
    finally:
        hub.patch(f"{API}/meshes/shop", {"spec": {"clusters": mesh["clusters"]}})
        hub.patch(f"{API}/meshworkloadgroups/{m.group}", {"spec": {"cluster": None}})
        five.ready(90)
        hub.delete(f"{API}/memberclusters/c3")
    five.answered(60)
    until(60, "c3 is as it was", lambda: nothing_left(five.system.all["c3"]) == [] and five.system.all["c3"].get(ISTIO) is None)


# --- what goes wrong ---


def jwt(*parts):
    return b".".join(base64.urlsafe_b64encode(p).rstrip(b"=") for p in parts)


def ended(five, token):
    """The same token as the API server would have made it two hours ago, signed by the cluster's own key."""
    head, body, _ = (base64.urlsafe_b64decode(p + "=" * (-len(p) % 4)) for p in token.split("."))
    claims = json.loads(body)
    for key in "iat", "nbf", "exp":
        claims[key] -= 7200
    text = jwt(head, json.dumps(claims, separators=(",", ":")).encode())
    key = os.path.join(os.path.dirname(five.system.hub.kubeconfig), "sa.key")
    der = subprocess.run(["openssl", "dgst", "-sha256", "-sign", key], input=text, capture_output=True, check=True).stdout
    dump = subprocess.run(["openssl", "asn1parse", "-inform", "DER"], input=der, capture_output=True, check=True).stdout.decode()
    r, s = (bytes.fromhex(x.rpartition(":")[2].strip().zfill(64)) for x in dump.splitlines() if "INTEGER" in x)
    return (text + b"." + jwt(r + s)).decode()


def test_the_token_has_ended(five, spare):
    """Said before anything is changed; and who goes on nevertheless is refused by istiod, until there is a new one."""
    files = spare.bundle()
    old = files | {"istio-token": ended(five, files["istio-token"])}
    spare.put(old)
    code, output = spare.install()
    assert code == 1 and "the token of this bundle ended" in output and "make a new bundle" in output, output
    assert spare.attempt("ls /etc/certs")[0] != 0, "something was installed"
    spare.put(files)
    assert spare.install("--no-start")[0] == 0
    spare.put(old)
    spare.shell("cat /root/bundle/istio-token > /var/run/secrets/tokens/istio-token; setsid /usr/local/lib/meshwright/machine supervise >/dev/null 2>&1 </dev/null &")
    until(20, "it is refused", lambda: "Unauthenticated" in spare.log(60))
    assert not spare.is_ready() and spare.address not in addresses(five)
    spare.join()
    until(10, "it is registered", lambda: spare.address in addresses(five))


def test_the_token_is_one_that_nobody_signed(five, spare):
    files = spare.bundle()
    head, body, signature = files["istio-token"].split(".")
    spare.put(files | {"istio-token": f"{head}.{body}.{signature[::-1]}"})
    assert spare.install()[0] == 0
    until(20, "it is refused", lambda: "Unauthenticated" in spare.log(60))
    assert not spare.is_ready() and spare.address not in addresses(five)


def test_the_token_is_another_accounts(five, spare):
    """It is given a certificate, of that account, and with that no place in the group."""
    files = spare.bundle()
    spare.put(files | {"istio-token": five.system.hub.kubectl("create", "token", "default", "-n", "demo", "--audience", "istio-ca").strip()})
    assert spare.install()[0] == 0
    until(20, "it is refused", lambda: "no identities ([spiffe://shop.mesh/ns/demo/sa/default]) matched demo/machines-v" in spare.log(60))
    assert not spare.is_ready() and spare.address not in addresses(five)
    assert not five.complaints([line(five, "a@c1", "service-v")])


def test_the_network_is_another_one(five, spare):
    """It looks for pods where it can't reach them; the status shows what it says of itself, and the right bundle mends it."""
    files = {name: text.replace("NETWORK='vms'", "NETWORK='c1'").replace("NETWORK: vms", "NETWORK: c1") for name, text in spare.bundle().items()}
    spare.put(files)
    assert spare.install()[0] == 0
    spare.joined()
    told = until(10, "it is told", lambda: [m for m in group(five, "machines-v")["status"]["machines"] if m["address"] == spare.address])
    assert told[0]["network"] == "c1"
    assert spare.attempt("curl -sSf -m 3 http://service-a.demo/")[0] != 0
    spare.join()
    until(10, "it reaches pods", lambda: spare.get("http://service-a.demo/")["cluster"] == "c1")
    until(30, "only the right one is told", lambda: [m["network"] for m in group(five, "machines-v")["status"]["machines"] if m["address"] == spare.address] == ["vms"])


@pytest.mark.parametrize("shift, says", [("+1h", "60 min ahead of the mesh's"), ("-1h", "60 min behind the mesh's")])
def test_the_clock_is_an_hour_off(five, spare, shift, says):
    spare.put(spare.bundle())
    code, output = spare.install(prefix=f"faketime -f {shift}")
    assert code == 1 and says in output and "set the clock" in output and "nothing was changed" in output, output
    assert spare.attempt("ls /etc/certs")[0] != 0, "something was installed"
    assert spare.install("--check", prefix="faketime -f +2m")[0] == 0


def test_istiod_is_out_of_reach(five, spare):
    files = spare.bundle()
    spare.put(files | {"hosts": "172.30.101.77 istiod.istio-system.svc\n"})
    code, output = spare.install()
    assert code == 1 and "istiod can't be reached at 172.30.101.77 port 15012" in output, output


# --- the files ---


def compared(five, g):
    """What differs between our files and istioctl's, for a group of bundles.yaml."""
    name = f"cmp-{g['name']}"
    theirs = istioctl("c1", "demo", name, "--autoregister", *g.get("theirs", []))
    return [f"{name}: {x}" for x in differences(five.system.bundle(name, *g.get("ours", [])), theirs)]


def change_live(five, g):
    name = f"cmp-{g['name']}"
    five.system.hub.patch(f"{API}/meshworkloadgroups/{name}", {"spec": {"suspend": True}})
    until(20, "it is suspended", lambda: "Suspended" in json.dumps(group(five, name)["status"]["conditions"]))
    path = f"/apis/networking.istio.io/v1/namespaces/demo/workloadgroups/{name}"
    live = five.system.hub.get(path)
    live["metadata"].setdefault("annotations", {})
    five.system.hub.patch(path, [{"op": "add", "path": "/metadata/annotations", "value": live["metadata"]["annotations"]}, *g["live"]])


def test_bundles_are_those_of_istioctl(five, note):
    all_groups = groups()
    docs = [{"apiVersion": "meshwright.dev/v1alpha1", "kind": "WorkloadGroup", "metadata": {"name": f"cmp-{g['name']}", "namespace": NS},
             "spec": {"meshRef": {"name": "shop"}, "network": "vms", "namespace": "demo", "serviceAccount": "compared"} | g.get("spec", {})} for g in all_groups]
    five.system.hub.apply("\n---\n".join(json.dumps(d) for d in docs))  # "y" and "08" stay texts
    try:
        until(30, "all are Ready", lambda: all(five.system.is_ready(group(five, d["metadata"]["name"])) for d in docs))
        for g in all_groups:
            if "live" in g:
                change_live(five, g)
        found = [x for each in parallel(lambda g: compared(five, g), all_groups) for x in each]
    finally:
        five.system.hub.kubectl("delete", "meshworkloadgroups", "-n", NS, *[d["metadata"]["name"] for d in docs])
    assert not found, "\n".join(found)
    note(f"{len(docs)} groups, no difference in any file")


def test_a_revision_has_files_of_its_own(five):
    """A mesh of its own in c3, with what a user may put into its configuration."""
    config = {"defaultConfig": {"concurrency": 0, "statusPort": 15026, "proxyMetadata": {"FROM_MESH": "it's"}, "tracing": {}}}
    five.system.apply("MemberCluster", "c3")
    five.system.apply("Mesh", "third", clusters=[{"name": "c3"}], revision="canary", meshConfig=config)
    five.system.apply("WorkloadGroup", "cmp-revision", meshRef={"name": "third"}, network="vms", namespace="demo", ports=[{"name": "http", "port": 8080}])
    try:
        until(60, "it is Ready", lambda: five.system.is_ready(group(five, "cmp-revision")) and group(five, "cmp-revision")["status"].get("istiodAddress"))
        theirs = istioctl("c3", "demo", "cmp-revision", "--autoregister", "--revision", "canary")
        assert "istiod-canary" in theirs["hosts"] and "CA_ADDR='istiod-canary" in theirs["cluster.env"]
        assert differences(five.system.bundle("cmp-revision"), theirs) == []
    finally:
        for path in f"{API}/meshworkloadgroups/cmp-revision", f"{API}/meshes/third", f"{API}/memberclusters/c3":
            five.system.hub.delete(path)
            until(60, f"{path} is gone", lambda: five.system.hub.get(path) is None)


# --- the end ---


def test_a_group_is_deleted(five, note):
    """Its machines are cut off in both meshes, and in both directions, though their certificates are good for a day; a group of that
    name lets them in again."""
    m = five.machines["m2"]
    lines = [x for x in five.allow if x["from"] == "v@m2" or x["by"] == ["m2"]]
    with five.traffic(lines, strict=False) as flows:
        begin = time.time()
        five.system.hub.delete(f"{API}/meshworkloadgroups/machines-v")
        until(30, "all has stopped", lambda: all(f.quiet_since() for f in flows), 0.5)
    took = max(f.quiet_since() - begin for f in flows)
    until(30, "the group is gone", lambda: group(five, "machines-v") is None)
    note(f"last answer after {took:.1f} s, group gone after {time.time() - begin:.1f} s")
    hub = five.system.hub
    assert m.address not in addresses(five)
    for path in "/apis/networking.istio.io/v1/namespaces/demo/workloadgroups/machines-v", "/api/v1/namespaces/demo/serviceaccounts/machines-v", "/api/v1/namespaces/demo/services/service-v":
        assert hub.get(path) is None, path
    revoked = five.system.mesh("shop")["status"]["revoked"]
    assert [(r["namespace"], r["serviceAccount"], r["group"]) for r in revoked] == [("demo", "machines-v", "machines-v")], revoked
    assert m.attempt("curl -sSf -m 3 http://service-a.demo/")[0] != 0
    five.answered(5, [x for x in five.allow if x not in lines])  # the others suffer nothing; who of several answers is a matter of luck
    assert took <= 10
    five.apply()
    five.ready()
    until(20, "nobody is refused any more", lambda: not five.system.mesh("shop")["status"].get("revoked"))
    m.put(m.bundle())
    code, output = m.install()
    assert code == 0, output
    until(40, "all answer", lambda: not five.complaints())


def test_a_bundle_of_a_group_that_is_not_there(five):
    with pytest.raises(Failed, match="next: "):
        five.system.bundle("nobody")


def test_no_token_is_told(five):
    """Neither the controller's log nor any status or event of the hub has the beginning of a token."""
    texts = [five.system.controller_log(100000), five.system.hub.kubectl("get", "events", "-n", NS, "-o", "yaml"),
             *(json.dumps(group(five, m.group)) for m in five.machines.values())]
    assert not any("eyJhbGciOi" in t for t in texts)
    assert run(LAB, "k", "c1", "get", "secrets", "-n", NS, "-o", "name").count("machines") == 0
