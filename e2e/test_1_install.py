# SPDX-License-Identifier: Apache-2.0
"""Installing, and what the user gets: a mesh that answers, conditions that are true, and silence."""
import base64
import json
import subprocess
import time

from lab import Failed, run, until
from system import API, CHART, ISTIO, NS, Traffic

TRUST_DOMAIN = "shop.mesh"


def test_chart_is_clean_and_refuses_typos(system):
    system.helm("lint", "--strict", CHART)
    assert system.helm("template", "x", CHART, "--set", "imagee.tag=dev", ok=False) is None, "a typo in the values is accepted"


def test_resources_without_controller_say_pending(system):
    system.install()
    system.scale(0)
    system.resources()
    status, reason, _ = system.condition(system.mesh())
    assert (status, reason) == ("Unknown", "Pending")
    system.scale(1)


def test_three_resources_make_a_mesh(system):
    # c2 with two istiods that scale, so that every kind of object exists
    system.resources(clusters=[{"name": "c1"}, {"name": "c2", "istiod": {"minReplicas": 2, "maxReplicas": 3}}])
    system.ready(90)
    for name in "c1", "c2":
        assert system.is_ready(system.member(name)), name
    status = system.mesh()["status"]
    assert status["summary"]["clusters"] == "2/2"


def test_conditions_are_complete_and_stable(shop):
    def snapshot():
        return [shop.mesh()["status"]] + [shop.member(n)["status"] for n in ("c1", "c2")]

    for status in snapshot():
        for c in status["conditions"]:
            assert c["observedGeneration"] == status["observedGeneration"], c
            assert c["reason"] and c["message"] is not None, c
        kinds = {c["type"] for c in status["conditions"]}
        assert "Stalled" not in kinds and "Reconciling" not in kinds, kinds
    for row in shop.mesh()["status"]["clusters"]:
        for kind in "Reachable", "ControlPlaneReady", "EndpointsDiscovered":
            assert shop.condition(shop.mesh(), kind, row["name"])[0] == "True", (row["name"], kind)


def clusters_seen_by_istiod(cluster):
    """{cluster id: state} of every istiod of the cluster, from istiod itself: it answers without a token only to its own host."""
    seen = []
    for pod in cluster.list(f"{ISTIO}/pods", "app=istiod"):
        out = cluster.kubectl("exec", "-n", "istio-system", pod["metadata"]["name"], "-c", "discovery", "--", "curl", "-sS", "localhost:8080/debug/clusterz")
        seen.append({c["id"]: c["syncStatus"] for c in json.loads(out)})
    return seen


def test_every_istiod_is_connected_to_both_clusters(shop):
    for name in "c1", "c2":
        seen = clusters_seen_by_istiod(shop.all[name])
        assert seen and all(s == {"c1": "synced", "c2": "synced"} for s in seen), (name, seen)


def openssl(pem, *args):
    return subprocess.run(["openssl", "x509", "-noout", *args], input=pem, capture_output=True, text=True, check=True).stdout


def test_one_root_and_an_intermediate_per_cluster(shop):
    roots, keys = set(), set()
    for name in "c1", "c2":
        data = {k: base64.b64decode(v).decode() for k, v in shop.all[name].get(f"{ISTIO}/secrets/cacerts")["data"].items()}
        assert {"ca-cert.pem", "ca-key.pem", "cert-chain.pem", "root-cert.pem"} == set(data)
        text = openssl(data["ca-cert.pem"], "-text")
        assert "CA:TRUE, pathlen:0" in text and "Subject Alternative Name" not in text, text
        roots.add(data["root-cert.pem"])
        keys.add(data["ca-key.pem"])
    assert len(roots) == 1 and len(keys) == 2
    # the root's key stays in the hub, and no intermediate's key is there
    for secret in shop.hub.list(f"/api/v1/namespaces/{NS}/secrets"):
        for value in secret.get("data", {}).values():
            assert not any(k in base64.b64decode(value).decode(errors="replace") for k in keys), secret["metadata"]["name"]


def test_requests_cross_both_ways_with_identities(shop):
    shop.endpoint("c1", "a", wait=False)
    shop.endpoint("c2", "b")
    shop.endpoint("c1", "a")
    for here, x, there, y in ("c1", "a", "c2", "b"), ("c2", "b", "c1", "a"):
        answer = until(20, f"answer from {there}", lambda: shop.ask(here, x, f"http://service-{y}.demo/"))
        assert answer["cluster"] == there
        assert f"By=spiffe://{TRUST_DOMAIN}/ns/demo/sa/endpoint-{y}" in answer["xfcc"], answer
        assert f"URI=spiffe://{TRUST_DOMAIN}/ns/demo/sa/endpoint-{x}" in answer["xfcc"], answer
        # the full name too, as applications are configured with
        assert shop.ask(here, x, f"http://service-{y}.demo.svc.cluster.local/")["cluster"] == there


def test_no_secret_is_in_logs_status_or_events(shop):
    words = []
    for name in "c1", "c2":
        for s in shop.all[name].list(f"{ISTIO}/secrets", "meshwright.dev/mesh"):
            for key, value in s["data"].items():
                text = base64.b64decode(value).decode()
                if key == "ca-key.pem":
                    words.append(text.splitlines()[1])
                elif s["metadata"].get("labels", {}).get("istio/multiCluster"):
                    words.append(json.loads(text)["users"][0]["user"]["token"])
    assert len(words) == 4
    places = shop.hub.kubectl("logs", "-n", NS, "deployment/meshwright") + json.dumps(shop.mesh())
    places += json.dumps(shop.hub.list(f"/api/v1/namespaces/{NS}/events"))
    assert not any(w in places for w in words)


def test_events_tell_of_transitions_once(shop):
    seen = {}
    for e in shop.hub.list(f"/api/v1/namespaces/{NS}/events"):
        if e["involvedObject"]["kind"] == "Mesh":
            key = e["reason"], e["message"]
            seen[key] = seen.get(key, 0) + 1
    assert seen, "no event"
    assert not [k for k, n in seen.items() if n > 3], seen


def test_converged_system_writes_nothing_for_60_seconds(shop):
    until(30, "both proxies are counted", lambda: shop.mesh()["status"]["summary"]["proxies"] == "2")
    shop.quiet(3)
    marks = shop.marks()
    time.sleep(60)
    assert shop.writes(marks) == []


def test_restarted_controller_writes_nothing(shop):
    # the number of connected proxies is news: it must be there before, also when this test runs without the one above
    until(30, "both proxies are counted", lambda: shop.mesh()["status"]["summary"]["proxies"] == "2")
    shop.quiet(2)
    marks = shop.marks()
    with Traffic(shop, "c1", "a", "http://service-b.demo/"):
        shop.hub.kubectl("rollout", "restart", "-n", NS, "deployment/meshwright")
        shop.hub.kubectl("rollout", "status", "-n", NS, "deployment/meshwright", "--timeout=60s")
        # longer than a lease of the one before lasts, so that the new one has led
        until(40, "the new controller leads", shop.led)
        time.sleep(10)
    assert shop.writes(marks) == []


def test_readiness_and_metrics_are_served(shop):
    pod = shop.hub.list(f"/api/v1/namespaces/{NS}/pods", "app.kubernetes.io/name=meshwright")[0]["metadata"]["name"]
    for path in "healthz", "readyz":
        status, _ = shop.hub.request("GET", f"/api/v1/namespaces/{NS}/pods/{pod}:8081/proxy/{path}")
        assert status == 200, path
    status, text = shop.hub.request("GET", f"/api/v1/namespaces/{NS}/pods/{pod}:8081/proxy/metrics")
    assert status == 200 and "meshwright_" in text, text
