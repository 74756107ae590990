#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""show.py plan|topology KUBECTL KUBECONFIG CLUSTER...: what Meshwright has made in the clusters, read from them."""
import json
import subprocess
import sys
from collections import Counter

WAVES = ["crds", "namespace", "ca", "rbac", "config", "control-plane", "webhooks", "remote-access", "dns"]
KINDS = (
    "customresourcedefinitions,namespaces,secrets,serviceaccounts,clusterroles,clusterrolebindings,roles,rolebindings,"
    "configmaps,services,deployments,horizontalpodautoscalers,poddisruptionbudgets,mutatingwebhookconfigurations,"
    "validatingwebhookconfigurations"
)
WIDTH = 34


def get(cluster, *args):
    command = [sys.argv[2], "--kubeconfig", sys.argv[3], "--context", cluster, "get", *args, "-o", "json"]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)["items"]


def ours(cluster):
    return get(cluster, KINDS, "-A", "-l", "app.kubernetes.io/managed-by=meshwright")


def wave(obj):
    return obj["metadata"]["labels"].get("meshwright.dev/wave", "")


def plan(clusters):
    objects = {c: ours(c) for c in clusters}
    print(f"{'wave':<15}{''.join(f'{c:<10}' for c in clusters)}kinds")
    for w in WAVES:
        counts = [sum(wave(o) == w for o in objects[c]) for c in clusters]
        kinds = Counter(o["kind"] for c in clusters for o in objects[c] if wave(o) == w)
        if any(counts):
            print(f"{w:<15}{''.join(f'{n:<10}' for n in counts)}{', '.join(sorted(kinds))}")


def box(cluster):
    """The lines of one cluster's box."""
    objects = ours(cluster)
    peers = [o["metadata"]["name"].removeprefix("istio-remote-secret-") for o in objects if wave(o) == "remote-access"]
    lines = [f"Istiod {'available' if any(o['kind'] == 'Deployment' for o in objects) else 'missing'}, CA of one root"]
    lines += [f"reads {', '.join(sorted(peers))}", ""]
    for s in get(cluster, "services", "-n", "demo"):
        entry = s["metadata"].get("labels", {}).get("meshwright.dev/wave") == "dns"
        lines += [f"{s['metadata']['name']:<10} {s['spec'].get('clusterIP', ''):<15}{'DNS entry' if entry else 'real'}"]
    return lines


def topology(clusters):
    boxes = [box(c) for c in clusters]
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


{"plan": plan, "topology": topology}[sys.argv[1]](sys.argv[4:])
