# SPDX-License-Identifier: Apache-2.0
"""Clusters join and leave; meshes are deleted, and leave nothing or everything."""
import yaml
from lab import until
from owned import difference, nothing_left, objects, state
from system import API, ISTIO, Traffic

DEPLOYMENTS = "/apis/apps/v1/namespaces/istio-system/deployments"


def clusters(shop, *names):
    shop.hub.patch(f"{API}/meshes/shop", {"spec": {"clusters": [{"name": n} for n in names]}})


def test_a_third_cluster_joins_and_leaves_without_trace(shop):
    c3 = shop.all["c3"]
    before = sorted(c3.get("/api/v1/namespaces")["items"], key=lambda n: n["metadata"]["name"])
    shop.apply("MemberCluster", "c3", network="lan")
    until(20, "c3 Ready", lambda: shop.is_ready(shop.member("c3")))
    with Traffic(shop, "c1", "a", "http://service-b.demo/"):
        clusters(shop, "c1", "c2", "c3")
        shop.ready(60)
        assert shop.mesh()["status"]["summary"]["clusters"] == "3/3"
        for name in "c1", "c2":
            assert shop.all[name].get(f"{ISTIO}/secrets/istio-remote-secret-c3")
        assert {p.rsplit("/", 1)[1] for p in objects(c3) if "remote-secret" in p} == {"istio-remote-secret-c1", "istio-remote-secret-c2"}

        clusters(shop, "c1", "c2")
        until(60, "nothing is left in c3", lambda: nothing_left(c3) == [])
        until(60, "istio-system is gone", lambda: c3.get(ISTIO) is None)
        until(30, "remote secrets for c3 are gone",
              lambda: all(shop.all[n].get(f"{ISTIO}/secrets/istio-remote-secret-c3") is None for n in ("c1", "c2")))
        shop.ready()
    after = sorted(c3.get("/api/v1/namespaces")["items"], key=lambda n: n["metadata"]["name"])
    assert [n["metadata"]["name"] for n in before] == [n["metadata"]["name"] for n in after]


def test_a_namespace_that_was_there_before_stays(shop):
    c3 = shop.all["c3"]
    c3.kubectl("create", "namespace", "istio-system")
    c3.kubectl("create", "configmap", "mine", "-n", "istio-system")
    clusters(shop, "c1", "c2", "c3")
    shop.ready(60)
    clusters(shop, "c1", "c2")
    until(60, "nothing of ours is left", lambda: nothing_left(c3) == [])
    assert c3.get(f"{ISTIO}/configmaps/mine")
    c3.kubectl("delete", "namespace", "istio-system")
    shop.ready()


def test_users_resources_of_istio_survive(shop):
    """A CRD of which the user has resources is let go, not deleted: the resources would go with it."""
    c3 = shop.all["c3"]
    clusters(shop, "c1", "c2", "c3")
    shop.ready(60)
    doc = {"apiVersion": "networking.istio.io/v1", "kind": "ServiceEntry", "metadata": {"name": "mine", "namespace": "default"},
           "spec": {"hosts": ["mine.example.com"], "ports": [{"number": 80, "name": "http", "protocol": "HTTP"}], "resolution": "DNS"}}
    c3.apply(yaml.safe_dump(doc))
    clusters(shop, "c1", "c2")
    until(60, "nothing of ours is left", lambda: nothing_left(c3) == [])
    assert c3.get("/apis/networking.istio.io/v1/namespaces/default/serviceentries/mine")
    c3.kubectl("delete", "serviceentry", "mine")
    c3.kubectl("delete", "crd", "serviceentries.networking.istio.io")
    shop.ready()


def test_retain_leaves_everything_and_the_next_mesh_takes_it_up(shop):
    """A mesh of its own over c3: deleted with Retain, all stays; made again, it is the same; deleted without, it goes."""
    c3 = shop.all["c3"]
    shop.apply("Mesh", "keep", deletionPolicy="Retain", clusters=[{"name": "c3"}])
    shop.ready(60, "keep")
    before = state(c3)
    assert len(before) > 30
    shop.delete_mesh("keep", 30)
    assert difference(before, state(c3)) == []
    istiod = c3.get(f"{DEPLOYMENTS}/istiod")
    assert istiod["status"]["availableReplicas"] >= 1

    shop.apply("Mesh", "keep", deletionPolicy="Retain", clusters=[{"name": "c3"}])
    shop.ready(60, "keep")
    assert difference(before, state(c3)) == []
    assert c3.get(f"{DEPLOYMENTS}/istiod")["metadata"]["uid"] == istiod["metadata"]["uid"]
    shop.hub.patch(f"{API}/meshes/keep", {"spec": {"deletionPolicy": "Delete"}})
    shop.delete_mesh("keep", 60)
    until(60, "nothing of ours is left", lambda: nothing_left(c3) == [] and c3.get(ISTIO) is None)
    shop.ready()


def test_deleting_a_member_that_a_mesh_uses(shop):
    """Others go on, this one is emptied, and only then its credentials are let go."""
    c3 = shop.all["c3"]
    clusters(shop, "c1", "c2", "c3")
    shop.ready(60)
    shop.hub.delete(f"{API}/memberclusters/c3")
    until(60, "c3 is gone", lambda: shop.member("c3") is None)
    until(30, "nothing of ours is left", lambda: nothing_left(c3) == [])
    clusters(shop, "c1", "c2")
    shop.ready()
