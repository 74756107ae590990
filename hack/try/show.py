#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""show.py KUBECTL KUBECONFIG CLUSTER...: what Meshwright has made in the clusters, read from them: plan and topology."""
import json
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

WAVES = ["crds", "namespace", "ca", "rbac", "config", "control-plane", "webhooks", "remote-access", "dns"]
KINDS = (
    "customresourcedefinitions,namespaces,secrets,serviceaccounts,clusterroles,clusterrolebindings,roles,rolebindings,"
    "configmaps,services,deployments,horizontalpodautoscalers,poddisruptionbudgets,mutatingwebhookconfigurations,"
    "validatingwebhookconfigurations"
)
WIDTH = 34


def get(cluster, *args):
    command = [sys.argv[1], "--kubeconfig", sys.argv[2], "--context", cluster, "get", *args, "-o", "json"]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)["items"]


def look(cluster):
    """What is ours in a cluster, and the services that a user sees there."""
    return get(cluster, KINDS, "-A", "-l", "app.kubernetes.io/managed-by=meshwright"), get(cluster, "services", "-n", "demo")


def wave(obj):
    return obj["metadata"]["labels"].get("meshwright.dev/wave", "")


def plan(found):
    print(f"{'wave':<15}{''.join(f'{c:<10}' for c in found)}kinds")
    for w in WAVES:
        counts = [sum(wave(o) == w for o in objects) for objects, _ in found.values()]
        kinds = Counter(o["kind"] for objects, _ in found.values() for o in objects if wave(o) == w)
        if any(counts):
            print(f"{w:<15}{''.join(f'{n:<10}' for n in counts)}{', '.join(sorted(kinds))}")


def box(objects, services):
    """The lines of one cluster's box."""
    peers = [o["metadata"]["name"].removeprefix("istio-remote-secret-") for o in objects if wave(o) == "remote-access"]
    lines = [f"Istiod {'available' if any(o['kind'] == 'Deployment' for o in objects) else 'missing'}, CA of one root"]
    lines += [f"reads {', '.join(sorted(peers))}", ""]
    for s in services:
        entry = s["metadata"].get("labels", {}).get("meshwright.dev/wave") == "dns"
        lines += [f"{s['metadata']['name']:<10} {s['spec'].get('clusterIP', ''):<14}{'DNS entry' if entry else 'real'}"]
    return lines


def topology(found):
    clusters = list(found)
    boxes = [box(*f) for f in found.values()]
    height = max(map(len, boxes))
    edge = "   ".join("+" + "-" * (WIDTH + 2) + "+" for _ in clusters)
    print("   ".join(f"{'Cluster ' + c:<{WIDTH + 4}}" for c in clusters).rstrip())
    print(edge)
    for i in range(height):
        print("   ".join(f"| {(b[i] if i < len(b) else '')[:WIDTH]:<{WIDTH}} |" for b in boxes))
    print(edge)
    span = len(edge)
    stems = "".join("|" if i % (WIDTH + 7) == WIDTH // 2 + 1 else " " for i in range(span)).rstrip()
    print(stems)
    print("+".join([" " * (WIDTH // 2 + 1)] + ["=" * (WIDTH + 6)] * (len(clusters) - 1)) + "+")
    print(f"{'mTLS between Istio proxies: one mesh, one root, one network':^{span}}".rstrip())


names = sys.argv[3:]
with ThreadPoolExecutor() as pool:
    all_found = dict(zip(names, pool.map(look, names)))
print("--- plan: what Meshwright keeps in each cluster, in the order of its waves")
plan(all_found)
print("\n--- topology")
topology(all_found)
