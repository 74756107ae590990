# SPDX-License-Identifier: Apache-2.0
"""Every folder of e2e/topologies: from its resources to answers, through what disturbs it, to nothing.

The topologies follow one another on the same clusters; each begins on clean ones and has to leave them so."""
import contextlib
import os
import time

import pytest
from lab import LAB, run, until
from owned import nothing_left
from system import ISTIO, NS
from topology import NAMES, Topology, failures, inventory, parallel

ONLY = os.environ.get("TOPOLOGY", " ".join(NAMES)).split()


@pytest.fixture(scope="module", params=ONLY)
def topology(fleet, request):
    t = Topology(fleet, request.param)
    t.wire()
    t.before = {n: inventory(c) for n, c in fleet.all.items()}
    try:
        t.took = t.up()
        yield t
    finally:
        if any(obj for _, obj in t.objects()):  # something failed before the last test
            t.delete()
            t.gone(90)
        t.stop()


def test_requests(topology, note):
    topology.check(5)
    note("Ready after {:.1f} s, all answers after {:.1f} s".format(*topology.took))


def test_istiods_are_restarted(topology, note):
    deployments = topology.deployments("istiod")
    if not deployments:
        pytest.skip("no control plane")
    # An istiod that ends forgets all endpoints, and very rarely still tells some proxy. A pod asks the next one at once; a machine
    # does by a gateway, which has to learn of the next one itself: ten seconds were seen.
    with topology.traffic(lenient=topology.machines) as flows:
        topology.restart(deployments)
        topology.check()
    note(failures(flows))


def test_controller_is_restarted(topology, fleet):
    fleet.quiet(17)  # istiods are asked every 15 s how many proxies are connected, which is news after their restart
    marks = fleet.marks()
    with topology.traffic():
        fleet.hub.kubectl("rollout", "restart", "-n", NS, "deployment/meshwright")
        fleet.hub.kubectl("rollout", "status", "-n", NS, "deployment/meshwright", "--timeout=60s")
        until(40, "the new controller leads", fleet.led)
        time.sleep(5)
        topology.check()
    assert fleet.writes(marks) == []


def test_gateways_are_restarted(topology, note):
    deployments = topology.deployments("gateways")
    if not deployments:
        pytest.skip("no gateway of its own")
    with topology.traffic(strict=False) as flows:
        topology.restart(deployments)
        topology.check()
    note(failures(flows))


def test_addresses_of_gateways_change(topology, note):
    services = topology.services()
    if not services:
        pytest.skip("no load balancer")
    begin = time.monotonic()
    old = addresses(services)
    for cluster, ns, name in services:
        cluster.kubectl("annotate", "service", "-n", ns, name, "--overwrite", f"lab/address=moved-{time.monotonic_ns()}")
    until(10, "each has another address", lambda: all(a and a not in old for a in addresses(services)))
    topology.follow()
    topology.check(30)
    note(f"{len(services)} changed, all answers after {time.monotonic() - begin:.1f} s")
    topology.ready()


def test_addresses_of_gateways_become_names(topology, note):
    services = topology.services()
    if not services:
        pytest.skip("no load balancer")
    service = services[-1:]
    cluster, ns, name = service[0]
    cluster.kubectl("annotate", "service", "-n", ns, name, "--overwrite", "lab/hostname=true")
    try:
        until(10, "the status has a name", lambda: "hostname" in addresses(service)[0])
        lines = [line for line in topology.allow if "{lb" not in line["url"]]
        until(30, "answers by name of the load balancer", lambda: not topology.complaints(lines))
        topology.ready()
    finally:
        cluster.kubectl("annotate", "service", "-n", ns, name, "lab/hostname-")
    until(10, "the status has an address", lambda: "ip" in addresses(service)[0])
    until(30, "answers again", lambda: not topology.complaints())


def addresses(services):
    """What the status of each has of its load balancer: {"ip": ...} or {"hostname": ...}; {}: nothing."""
    status = [c.get(f"/api/v1/namespaces/{ns}/services/{name}")["status"]["loadBalancer"] for c, ns, name in services]
    return [(s.get("ingress") or [{}])[0] for s in status]


def test_an_api_server_is_away_for_a_minute(topology, note):
    """Of the member that answers most of what crosses; one minute in all, for the topology with most that could break."""
    if topology.name != "4":
        pytest.skip("in topology 4")
    with topology.traffic() as flows:
        run(LAB, "stop", "c2", "apiserver")
        time.sleep(60)
        run(LAB, "start", "c2", "apiserver")
        until(60, "c2 is back", lambda: topology.system.is_ready(topology.system.member("c2")))
        topology.ready()
        topology.check()
    note(failures(flows))
    for part in "kcm", "scheduler", "kubelet", "proxy", "coredns":  # by themselves these look again only after a minute or two
        run(LAB, "stop", "c2", part)
        run(LAB, "start", "c2", part)
    until(60, "kubelet knows its pods", lambda: not topology.complaints())
    c2 = topology.system.all["c2"]
    topology.restart([d for d in topology.deployments("istiod") if d[0] is c2] + [(c2, "demo", "endpoint-d")])  # likewise; and pods are made again
    topology.check()


def test_a_primary_is_lost(topology, note):
    """The whole cluster is cut off: what runs in the Remote's cluster goes on talking, with nobody to ask."""
    remotes = topology.remotes()
    if not remotes:
        pytest.skip("no Remote")
    local = [line for line in topology.allow if line["by"] == [line["from"].partition("@")[2]] and line["by"][0] in remotes]
    with topology.traffic(local) as flows:
        run(LAB, "cut", "c1")
        time.sleep(20)
        run(LAB, "heal", "c1")
        topology.check(30)
    note(failures(flows))
    topology.ready()


def test_what_a_resource_allowed_ends_with_it(topology, note):
    if not topology.cuts:
        pytest.skip("nothing to cut")
    for cut in topology.cuts:
        took = topology.stops(cut)
        note(f"{cut.get('delete', cut.get('patch'))}: last answer after {took:.1f} s")
        topology.restore(cut)
        topology.check(30)


def test_deletion_leaves_nothing(topology, fleet, note):
    across = [line for line in topology.across() if line["from"].split("@")[1] not in line["by"]]
    with topology.traffic(across, strict=False) as flows:
        begin = time.time()
        topology.delete()
        # A machine whose connection to istiod ends in that moment is let in by none to be told: it goes on to what it reaches directly.
        told = [f for f in flows if f.client.split("@")[1] not in topology.machines]
        until(40, "all that crossed clusters has stopped", lambda: all(f.quiet_since() for f in told), 0.5)
        still = [f.what for f in flows if not f.quiet_since()]
    took = max(f.quiet_since() - begin for f in told)
    topology.gone()
    note(f"last answer after {took:.1f} s, all deleted after {time.time() - begin:.1f} s" + "".join(f", not told: {w}" for w in still))
    for name, cluster in fleet.all.items():
        until(60, f"nothing is left in {name}", lambda: nothing_left(cluster) == [] and cluster.get(ISTIO) is None)
    kept = {n: topology.kept_types(n) for n in fleet.all}  # of which the user has resources: with the type these would go
    assert not any(kept[n] - inventory(c) for n, c in fleet.all.items()), kept
    topology.stop()
    left = {}
    with contextlib.suppress(AssertionError):
        until(20, "nothing at all is left", lambda: not left_of(topology, left))
    assert not left_of(topology, left), left
    assert took <= 10


def left_of(topology, left):
    """What is there that was not before, by cluster: also what istiod made for itself."""
    left.clear()
    names = list(topology.before)
    for name, now in zip(names, parallel(lambda n: inventory(topology.system.all[n]), names)):
        extra = sorted(now - topology.before[name])
        if extra:
            left[name] = extra
    return left
