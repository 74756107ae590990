# SPDX-License-Identifier: Apache-2.0
"""Clusters that go away and come back."""
import contextlib
import time

from lab import LAB, run, steady, until
from system import NS, Traffic
from test_3_dns import SERVICES, is_entry, service

GONE, BACK = 45, 60


@contextlib.contextmanager
def fault(begin, end, *where):
    run(LAB, begin, *where)
    try:
        yield
    finally:
        run(LAB, end, *where)


def unreachable(shop, name):
    member, mesh = shop.member(name), shop.mesh()
    return shop.condition(member)[:2] == ("False", "Unreachable") and shop.condition(mesh)[0] == "False"


def member_away_and_back(shop, begin, end, *where):
    c1, c2 = shop.all["c1"], shop.all["c2"]
    c2.apply(service("before"))
    until(10, "entry", lambda: is_entry(c1.get(SERVICES + "before")))
    with fault(begin, end, *where):
        until(GONE, "c2 is seen to be unreachable", lambda: unreachable(shop, "c2"))
        assert shop.is_ready(shop.member("c1")), "the other cluster suffers"
        assert shop.condition(shop.mesh(), "Reachable", "c1")[0] == "True"
        assert shop.condition(shop.mesh(), "Reachable", "c2")[0] == "False"
        # work for c2 waits, work for c1 does not: its drift is repaired, and nothing is pruned for being out of sight
        c1.apply(service("deferred", "endpoint-a"))
        c1.kubectl("delete", "configmap", "-n", "istio-system", "istio-sidecar-injector")
        until(10, "drift in c1 repaired", lambda: c1.get("/api/v1/namespaces/istio-system/configmaps/istio-sidecar-injector"))
        steady(3, "entries stay", lambda: is_entry(c1.get(SERVICES + "before")))
    healed = time.monotonic()
    shop_back = lambda: shop.is_ready(shop.member("c2")) and shop.is_ready(shop.mesh())  # noqa: E731
    until(BACK, "c2 and the mesh are Ready again", shop_back)
    print(f"back after {time.monotonic() - healed:.1f} s")
    until(max(1, BACK - (time.monotonic() - healed)), "deferred entry", lambda: is_entry(c2.get(SERVICES + "deferred")))
    c1.delete(SERVICES + "deferred")
    c2.delete(SERVICES + "before")
    until(10, "entries gone", lambda: c2.get(SERVICES + "deferred") is None and c1.get(SERVICES + "before") is None)
    assert until(20, "answer", lambda: shop.ask("c1", "a", "http://service-b.demo/"))["cluster"] == "c2"


def test_member_cut_off_and_back(shop):
    member_away_and_back(shop, "cut", "heal", "c2")


def test_members_api_server_frozen_and_back(shop):
    member_away_and_back(shop, "freeze", "thaw", "c2", "apiserver")


def test_hubs_api_server_dies_and_comes_back(shop):
    """Requests go on, nothing is written but what has changed, and work goes on afterwards."""
    shop.quiet(2)
    marks = shop.marks()
    with Traffic(shop, "c1", "a", "http://service-b.demo/"):
        run(LAB, "stop", "c1", "apiserver")
        time.sleep(5)
        run(LAB, "start", "c1", "apiserver")
        until(30, "API is back", lambda: shop.hub.get("/version"))
        shop.ready()
    pods = shop.hub.list(f"/api/v1/namespaces/{NS}/pods", "app.kubernetes.io/name=meshwright")
    assert all(s["restartCount"] == 0 for p in pods for s in p["status"]["containerStatuses"]), "the controller ended"
    unexpected = [w for w in shop.writes(marks) if "/status" not in w and " events " not in w]
    assert unexpected == []
    shop.all["c2"].apply(service("after"))
    until(30, "entry", lambda: is_entry(shop.all["c1"].get(SERVICES + "after")))
    shop.all["c2"].delete(SERVICES + "after")
    until(30, "gone", lambda: shop.all["c1"].get(SERVICES + "after") is None)
