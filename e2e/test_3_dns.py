# SPDX-License-Identifier: Apache-2.0
"""DNS entries: Services without selector for what exists only in another cluster."""
import time

from lab import steady, until
from system import Traffic

SERVICES = "/api/v1/namespaces/demo/services/"
SOON = 20


def service(name, selector="endpoint-b", ns="demo", extra=""):
    return f"""
apiVersion: v1
kind: Service
metadata: {{name: {name}, namespace: {ns}}}
spec:
  selector: {{app: {selector}}}
  ports: [{{name: http, port: 80, targetPort: 8080, appProtocol: http}}]
  {extra}
"""


def is_entry(obj):
    return obj and "meshwright.dev/owner-uid" in obj["metadata"].get("labels", {}) and "selector" not in obj["spec"]


def ours(obj):
    """What of an object is still Meshwright's: labels, annotations, field managers."""
    meta = obj["metadata"]
    found = [k for k in [*meta.get("labels", {}), *meta.get("annotations", {})] if k.startswith("meshwright.dev/")]
    found += [v for v in meta.get("labels", {}).values() if v == "meshwright"]
    return found + [f["manager"] for f in meta["managedFields"] if f["manager"] == "meshwright"]


def test_entry_appears_resolves_and_disappears(shop):
    c1, c2 = shop.all["c1"], shop.all["c2"]
    c2.apply(service("late"))
    entry = until(SOON, "entry in c1", lambda: is_entry(c1.get(SERVICES + "late")) and c1.get(SERVICES + "late"))
    assert entry["spec"]["ports"][0]["port"] == 80 and entry["spec"]["ports"][0]["appProtocol"] == "http"
    assert not is_entry(c2.get(SERVICES + "late")), "the real one was touched"
    # istiod and the proxies come from the restart before: they take a while to learn of a new Service
    assert until(3 * SOON, "answer by name", lambda: shop.ask("c1", "a", "http://late.demo/"))["cluster"] == "c2"
    c2.delete(SERVICES + "late")
    until(SOON, "entry gone with the last real Service", lambda: c1.get(SERVICES + "late") is None)


def test_port_of_the_entry_follows(shop):
    c1, c2 = shop.all["c1"], shop.all["c2"]
    c2.apply(service("moved"))
    until(SOON, "entry", lambda: is_entry(c1.get(SERVICES + "moved")))
    c2.patch(SERVICES + "moved", [{"op": "replace", "path": "/spec/ports/0/port", "value": 81}])
    until(SOON, "new port, and only that", lambda: [p["port"] for p in c1.get(SERVICES + "moved")["spec"]["ports"]] == [81])
    c2.delete(SERVICES + "moved")
    until(SOON, "gone", lambda: c1.get(SERVICES + "moved") is None)


def hand_over(shop, name, *apply_args):
    c1, c2 = shop.all["c1"], shop.all["c2"]
    c2.apply(service(name))
    entry = until(SOON, "entry", lambda: is_entry(c1.get(SERVICES + name)) and c1.get(SERVICES + name))
    until(SOON, "answer", lambda: shop.ask("c1", "a", f"http://{name}.demo/"))
    with Traffic(shop, "c1", "a", f"http://{name}.demo/"):
        c1.kubectl("apply", *apply_args, "-f", "-", data=service(name, "endpoint-a"))
        until(SOON, "ours is gone from it", lambda: ours(c1.get(SERVICES + name)) == [])
        now = c1.get(SERVICES + name)
        assert now["metadata"]["uid"] == entry["metadata"]["uid"] and now["spec"]["clusterIP"] == entry["spec"]["clusterIP"]
        assert now["spec"]["selector"] == {"app": "endpoint-a"}
        c2.delete(SERVICES + name)
        steady(5, "the user's Service stays", lambda: c1.get(SERVICES + name)["metadata"]["uid"] == entry["metadata"]["uid"])
    # now the entry is on the other side
    until(SOON, "entry in c2", lambda: is_entry(c2.get(SERVICES + name)))
    c1.delete(SERVICES + name)
    until(SOON, "entry in c2 gone", lambda: c2.get(SERVICES + name) is None)
    until(SOON, "none in c1", lambda: c1.get(SERVICES + name) is None)


def test_hand_over_to_server_side_apply(shop):
    hand_over(shop, "taken", "--server-side", "--force-conflicts")


def test_hand_over_to_client_side_apply(shop):
    hand_over(shop, "adopted")


def test_headless_and_external_names_have_entries(shop):
    c1, c2 = shop.all["c1"], shop.all["c2"]
    c2.apply(service("headless", extra="clusterIP: None"))
    c2.apply("apiVersion: v1\nkind: Service\nmetadata: {name: external, namespace: demo}\nspec: {type: ExternalName, externalName: example.com}")
    external = until(SOON, "entry", lambda: is_entry(c1.get(SERVICES + "external")) and c1.get(SERVICES + "external"))
    assert external["spec"]["type"] == "ExternalName" and external["spec"]["externalName"] == "example.com"
    headless = until(SOON, "entry", lambda: is_entry(c1.get(SERVICES + "headless")) and c1.get(SERVICES + "headless"))
    assert headless["spec"]["clusterIP"] == "None"
    assert until(3 * SOON, "answer of a pod", lambda: shop.ask("c1", "a", "http://headless.demo:8080/"))["cluster"] == "c2"
    c2.kubectl("delete", "service", "-n", "demo", "headless", "external")
    for name in "headless", "external":
        until(SOON, f"{name} is gone", lambda: c1.get(SERVICES + name) is None)


def test_no_entry_where_none_is_wanted(shop):
    c1, c2 = shop.all["c1"], shop.all["c2"]
    for c in c1, c2:
        c.kubectl("create", "namespace", "plain")
    c2.kubectl("create", "namespace", "only-here")
    c2.kubectl("label", "namespace", "only-here", "istio-injection=enabled")
    c2.apply(service("uninjected", ns="plain"))
    c2.apply(service("nowhere", ns="only-here"))
    c2.apply(service("marker"))
    until(SOON, "marker", lambda: is_entry(c1.get(SERVICES + "marker")))
    time.sleep(2)
    assert c1.get("/api/v1/namespaces/plain/services/uninjected") is None
    assert c1.get("/api/v1/namespaces/only-here") is None
    # the namespace joins: its Services get entries
    c1.kubectl("label", "namespace", "plain", "istio-injection=enabled")
    c2.kubectl("label", "namespace", "plain", "istio-injection=enabled")
    until(SOON, "entry in the namespace that joined", lambda: is_entry(c1.get("/api/v1/namespaces/plain/services/uninjected")))
    for c in c1, c2:
        c.kubectl("delete", "namespace", "plain", "only-here", "--ignore-not-found", "--wait=false")
    c2.kubectl("delete", "service", "-n", "demo", "marker")
    until(SOON, "marker gone", lambda: c1.get(SERVICES + "marker") is None)
