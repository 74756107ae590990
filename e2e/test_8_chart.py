# SPDX-License-Identifier: Apache-2.0
"""Upgrade and uninstall of the chart."""
from lab import Failed, until
from owned import nothing_left
from system import API, CHART, ISTIO, NS, VALUES


def test_upgrade_changes_nothing_in_the_mesh(shop):
    shop.quiet(2)
    before = {n: {d["metadata"]["name"]: d["metadata"]["generation"] for d in shop.all[n].list("/apis/apps/v1/namespaces/istio-system/deployments")} for n in ("c1", "c2")}
    shop.helm("upgrade", "meshwright", CHART, "-n", NS, "--values", VALUES, "--set", "logLevel=debug", "--wait", "--timeout", "60s")
    shop.ready()
    after = {n: {d["metadata"]["name"]: d["metadata"]["generation"] for d in shop.all[n].list("/apis/apps/v1/namespaces/istio-system/deployments")} for n in ("c1", "c2")}
    assert before == after


def test_uninstall_keeps_the_crds_and_leaves_nothing_else(shop):
    shop.delete_mesh()
    for m in shop.hub.list(f"{API}/memberclusters"):
        shop.hub.delete(f"{API}/memberclusters/{m['metadata']['name']}")
    until(30, "members are gone", lambda: shop.hub.list(f"{API}/memberclusters") == [])
    for n in "c1", "c2":
        until(40, f"nothing is left in {n}", lambda: nothing_left(shop.all[n]) == [] and shop.all[n].get(ISTIO) is None)
    shop.helm("uninstall", "meshwright", "-n", NS, "--wait", "--timeout", "60s")

    def left():
        found = []
        for api, plural, kind in shop.hub.kinds(again=True):
            for item in shop.hub.list(f"{api}/{plural}"):
                meta = item["metadata"]
                labels = " ".join(f"{k}={v}" for k, v in meta.get("labels", {}).items())
                if ("meshwright" in meta["name"] or "meshwright" in labels) and plural != "events":
                    found.append(f"{kind} {meta.get('namespace', '')}/{meta['name']}")
        return sorted(found)

    crds = [f"CustomResourceDefinition /{p}.meshwright.dev" for p in ("memberclusters", "meshes", "meshgateways", "meshworkloadgroups", "trustbundles")]
    # the lease is what leader election leaves; it says nothing and is used again
    # the API server registers the group of the CRDs by itself
    kept = [*crds, "APIService /v1alpha1.meshwright.dev"]

    def rest():
        return [f for f in left() if not f.startswith("Lease ") and f not in kept]

    try:
        until(30, "only the CRDs are left", lambda: rest() == [])
    except Failed:
        assert rest() == []
    assert set(crds) <= set(left())
