#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Reads `kubectl get ... -o json` and prints the conditions that keep the resources from being Ready."""
import json
import sys

ABNORMAL = {"Reconciling", "Stalled"}


def wrong(conditions):
    for c in conditions:
        if c["status"] != ("False" if c["type"] in ABNORMAL else "True"):
            yield f"{c['type']}={c['status']} {c['reason']}: {c['message']}"


try:
    items = json.load(sys.stdin)["items"]
except ValueError:
    sys.exit("the resources cannot be read")
for item in items:
    name = f"{item['kind'].lower()}/{item['metadata']['name']}"
    status = item.get("status", {})
    for line in wrong(status.get("conditions", [])):
        print(f"{name}: {line}")
    for cluster in status.get("clusters", []):
        for line in wrong(cluster.get("conditions", [])):
            print(f"{name}: cluster {cluster['name']}: {line}")
