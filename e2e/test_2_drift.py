# SPDX-License-Identifier: Apache-2.0
"""What others change or delete of ours comes back; what is theirs stays."""
import base64
import time

import pytest
from lab import Failed, until
from owned import OWNER, normalised, objects
from system import ISTIO, Traffic

EDITED, DELETED = 10, 15

# An edit of an owned field, per kind, as a JSON patch. Of a service account we own labels only.
LABEL = [{"op": "replace", "path": "/metadata/labels/meshwright.dev~1wave", "value": "drifted"}]
EDITS = {
    "CustomResourceDefinition": [{"op": "replace", "path": "/spec/names/categories", "value": ["drifted"]}],
    "Namespace": [{"op": "replace", "path": "/metadata/labels/topology.istio.io~1network", "value": "drifted"}],
    "Secret": None,  # a key of the data, by name
    "ServiceAccount": LABEL,
    "ClusterRole": [{"op": "replace", "path": "/rules", "value": []}],
    "ClusterRoleBinding": [{"op": "replace", "path": "/subjects", "value": []}],
    "Role": [{"op": "replace", "path": "/rules", "value": []}],
    "RoleBinding": [{"op": "replace", "path": "/subjects", "value": []}],
    "ConfigMap": None,  # all of the data
    "Service": [{"op": "replace", "path": "/spec/selector", "value": {"app": "drifted"}}],
    "Deployment": [{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "docker.io/lab/pilot:drifted"}],
    "HorizontalPodAutoscaler": [{"op": "replace", "path": "/spec/maxReplicas", "value": 9}],
    "PodDisruptionBudget": [{"op": "remove", "path": "/spec/selector/matchLabels/istio"}],
    "MutatingWebhookConfiguration": [{"op": "replace", "path": "/webhooks/0/objectSelector", "value": {}}],
    "ValidatingWebhookConfiguration": [{"op": "replace", "path": "/webhooks/0/objectSelector", "value": {}}],
}
# Of these, tokens hang on: with a new one istiod has to be started again, in every system.
KEPT = {"istiod"}


def edit_of(obj):
    patch = EDITS[obj["kind"]]
    if patch:
        return patch
    key = sorted(obj["data"])[0].replace("/", "~1")
    value = base64.b64encode(b"drifted").decode() if obj["kind"] == "Secret" else "drifted"
    return [{"op": "replace", "path": "/data/" + key, "value": value}]


def one_of_each(cluster):
    """{kind: (path, object)}: of Secrets and Services every one, as they are made in different ways."""
    found = {}
    for path, obj in sorted(objects(cluster).items()):
        kind, name = obj["kind"], obj["metadata"]["name"]
        if kind == "Service" and "selector" not in obj["spec"]:
            found["DNS entry"] = path, obj
        elif kind == "Secret":
            found[f"Secret {name}"] = path, obj
        elif kind == "ServiceAccount" and name in KEPT:
            continue
        else:
            found.setdefault(kind, (path, obj))
    return found


def same(cluster, path, before):
    now = cluster.get(path)
    return now and "deletionTimestamp" not in now["metadata"] and normalised(now) == normalised(before)


def test_every_kind_is_covered(shop):
    kinds = {obj["kind"] for _, obj in one_of_each(shop.all["c2"]).values()}
    assert kinds == set(EDITS), kinds ^ set(EDITS)


def test_edits_of_owned_fields_are_put_back_and_the_users_fields_stay(shop):
    c2 = shop.all["c2"]
    shop.quiet(2)
    mine = {"metadata": {"labels": {"example.com/mine": "kept"}, "annotations": {"example.com/note": "kept"}}}
    before, at = {}, {}
    for what, (path, _) in one_of_each(c2).items():
        before[what] = path, c2.patch(path, mine)
    time.sleep(2)
    for what, (path, obj) in before.items():
        patch = edit_of(obj) if what != "DNS entry" else [{"op": "replace", "path": "/spec/ports/0/appProtocol", "value": "tcp"}]
        c2.patch(path, patch)
        at[what] = time.monotonic()
    late = []
    for what, (path, obj) in before.items():
        try:
            until(max(0.1, at[what] + EDITED - time.monotonic()), what, lambda: same(c2, path, obj))
        except Failed:
            late.append(f"{what} {path}")
    assert not late, late
    for what, (path, _) in before.items():
        meta = c2.get(path)["metadata"]
        assert meta["labels"].get("example.com/mine") == "kept" and meta["annotations"].get("example.com/note") == "kept", what
    shop.ready()


def test_the_label_that_leads_to_the_mesh_is_put_back(shop):
    path = f"{ISTIO}/configmaps/istio"
    label = lambda value: {"metadata": {"labels": {"meshwright.dev/mesh": value}}}  # noqa: E731
    shop.all["c2"].patch(path, label("drifted"))
    try:
        until(EDITED, "put back", lambda: shop.all["c2"].get(path)["metadata"]["labels"]["meshwright.dev/mesh"] == "shop")
    finally:
        shop.all["c2"].patch(path, label("shop"))
    shop.ready()


def test_unowned_fields_cause_no_write(shop):
    # the number of connected proxies is news, and istiods that were just replaced get theirs back one by one
    until(60, "both proxies are counted", lambda: shop.mesh()["status"]["summary"]["proxies"] == "2")
    shop.quiet(5)
    marks = shop.marks()
    for cluster in shop.all["c1"], shop.all["c2"]:
        for path, obj in one_of_each(cluster).values():
            cluster.patch(path, {"metadata": {"annotations": {"example.com/other": "mine"}}})
    time.sleep(5)
    assert shop.writes(marks) == []


def test_deleted_objects_come_back(shop):
    c2 = shop.all["c2"]
    slow = []
    for what, (path, obj) in one_of_each(c2).items():
        if obj["kind"] == "Namespace":
            continue
        # what the test before left there is the user's, and goes with the object
        obj["metadata"].get("labels", {}).pop("example.com/mine", None)
        for key in "example.com/note", "example.com/other":
            obj["metadata"].get("annotations", {}).pop(key, None)
        c2.delete(path)
        begin = time.monotonic()
        try:
            until(DELETED, what, lambda: c2.get(path)["metadata"]["uid"] != obj["metadata"]["uid"] and same(c2, path, obj))
        except Failed as e:
            slow.append(f"{what} {path}: {e}")
        print(f"{what}: back after {time.monotonic() - begin:.1f} s")
    assert not slow, slow
    shop.ready()


def test_discovery_works_after_the_reader_account_was_deleted(shop):
    """Its tokens died with it: the other cluster's istiod needs a new one."""
    c2 = shop.all["c2"]
    secret = f"{ISTIO}/secrets/istio-remote-secret-c2"
    path, obj = next((p, o) for p, o in objects(c2).items() if o["kind"] == "ServiceAccount" and "reader" in o["metadata"]["name"])
    before = shop.hub.get(secret)["data"]
    c2.delete(path)
    until(30, "a token of the new account", lambda: shop.hub.get(secret)["data"] != before)
    shop.ready()


def test_deleted_namespace_is_built_again(shop):
    c2 = shop.all["c2"]
    uid = c2.get(ISTIO)["metadata"]["uid"]
    c2.delete(ISTIO)
    until(60, "istio-system is there again", lambda: c2.get(ISTIO)["metadata"]["uid"] != uid)
    shop.ready(60)
    for x, c in ("a", "c1"), ("b", "c2"):  # what the old control plane signed is still good: one root
        assert until(20, "answer", lambda: shop.ask(c, x, "http://service-b.demo/"))["cluster"] == "c2"


def test_remote_secret_edited_by_hand_is_made_anew(shop):
    path = f"{ISTIO}/secrets/istio-remote-secret-c2"
    shop.hub.patch(path, {"data": {"c2": base64.b64encode(b"nonsense").decode()}})
    until(EDITED, "put back", lambda: b"nonsense" not in base64.b64decode(shop.hub.get(path)["data"]["c2"]))
    shop.ready()


def test_a_foreign_object_of_the_same_name_is_not_ours(shop):
    """Objects that carry our label with another owner are left alone."""
    c2 = shop.all["c2"]
    c2.kubectl("create", "configmap", "foreign", "-n", "demo")
    c2.kubectl("label", "configmap", "foreign", "-n", "demo", f"{OWNER}=00000000-0000-0000-0000-000000000000",
               "app.kubernetes.io/managed-by=meshwright")
    time.sleep(4)
    assert c2.get("/api/v1/namespaces/demo/configmaps/foreign")
    c2.kubectl("delete", "configmap", "foreign", "-n", "demo")


def test_istiod_restarts_while_requests_go_on(shop):
    with Traffic(shop, "c1", "a", "http://service-b.demo/"), Traffic(shop, "c2", "b", "http://service-a.demo/"):
        for name in "c1", "c2":
            shop.all[name].kubectl("delete", "pods", "-n", "istio-system", "-l", "app=istiod", "--wait=false")
        time.sleep(3)
        for name in "c1", "c2":
            shop.all[name].kubectl("rollout", "status", "-n", "istio-system", "deployment/istiod", "--timeout=60s")
        shop.ready()
