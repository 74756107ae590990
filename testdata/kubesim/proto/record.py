#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""record.py DIR: objects.json: what the API server of DIR (hack/apiserver start DIR) sends for one object of each kind that
has a protobuf table, as JSON and as protobuf (base64), for pkg/kubesim/proto_test.c."""
import base64
import json
import sys
import urllib.parse
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "apply"))
from record import Server  # noqa: E402

META = {"name": "proto", "labels": {"a": "b"}, "annotations": {"note": "grüße \u00df"}, "finalizers": ["test/x"],
        "ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "o", "uid": "u-1", "controller": True}]}
OBJECTS = [
    ("/api/v1/namespaces/default/services", {"spec": {
        "type": "NodePort", "selector": {"app": "x"}, "sessionAffinity": "ClientIP", "publishNotReadyAddresses": True,
        "externalIPs": ["192.0.2.1"], "internalTrafficPolicy": "Local", "ports": [
            {"name": "a", "port": 80, "targetPort": "web", "appProtocol": "http"},
            {"name": "b", "port": 443, "targetPort": 8443}, {"name": "c", "port": 53, "protocol": "UDP"}]}}),
    ("/apis/discovery.k8s.io/v1/namespaces/default/endpointslices", {
        "addressType": "IPv4", "ports": [{"name": "", "port": 80, "protocol": "TCP"}], "endpoints": [
            {"addresses": ["10.0.0.1", "10.0.0.2"], "conditions": {"ready": False, "serving": True}, "nodeName": "n",
             "zone": "z", "hints": {"forZones": [{"name": "z"}]},
             "targetRef": {"kind": "Pod", "name": "p", "namespace": "default", "uid": "u-2"}},
            {"addresses": ["10.0.0.3"], "conditions": {}}]}),
    ("/api/v1/namespaces", {}),
    ("/api/v1/namespaces/default/secrets", {"data": {"k": "AAH/", "empty": ""}, "type": "Opaque", "immutable": False}),
    ("/api/v1/namespaces/default/configmaps", {"data": {"k": "v", "e": ""}, "binaryData": {"b": "/w=="}, "immutable": True}),
    ("/api/v1/namespaces/default/serviceaccounts", {"imagePullSecrets": [{"name": "s"}], "secrets": [{"name": "t"}],
                                                    "automountServiceAccountToken": False}),
    ("/apis/coordination.k8s.io/v1/namespaces/default/leases", {"spec": {
        "holderIdentity": "h", "leaseDurationSeconds": 15, "renewTime": "2026-01-02T03:04:05.678901Z"}}),
]
PROTOBUF = "application/vnd.kubernetes.protobuf"
META_ONLY = ";as=PartialObjectMetadata;g=meta.k8s.io;v=v1"


def raw(server, path, accept):
    server.connection.request("GET", path, None, {"Accept": accept})
    return server.connection.getresponse().read()


def main():
    server = Server(sys.argv[1])
    pairs = []

    def add(path, more=""):
        binary = raw(server, path, PROTOBUF + more)
        pairs.append({"json": json.loads(raw(server, path, "application/json" + more)),
                      "protobuf": base64.b64encode(binary).decode()})

    for path, obj in OBJECTS:
        server.ask("DELETE", f"{path}/proto")
        server.ask("PATCH", f"{path}/proto", {"metadata": {"finalizers": []}}, "application/merge-patch+json")
        status, answer = server.ask("POST", path + "?fieldManager=record", dict(obj, metadata=META))
        if status not in (201, 409):
            sys.exit(f"{path}: {answer}")
        add(f"{path}/proto")
        server.ask("DELETE", f"{path}/proto")
        add(f"{path}/proto")  # with a deletionTimestamp
    add("/api/v1/namespaces/default/configmaps/proto", META_ONLY)
    add("/apis/apps/v1/namespaces/default/deployments/none")
    selector = urllib.parse.quote("metadata.name=proto")
    for name, query in (("list", ""), ("watch", "&watch=true&timeoutSeconds=1")):
        path = "/api/v1/namespaces/default/configmaps?resourceVersion=0&fieldSelector=" + selector + query
        text = raw(server, path, "application/json").decode()
        pairs.append({name: [json.loads(line) for line in text.splitlines()],
                      "protobuf": base64.b64encode(raw(server, path, PROTOBUF + (
                          ";stream=watch" if query else ""))).decode()})
    (HERE / "objects.json").write_text(json.dumps(pairs, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
