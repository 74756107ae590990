#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""record.py DIR: plays the sequences below against the API server of DIR (hack/apiserver start DIR) and writes what it
answered as *.json beside this file, for pkg/kubesim/apply_test.c. Times, uids and resourceVersions are made the same in
each run. Objects are in the namespace "default" and are removed first; our CRDs are installed first."""
import copy
import http.client
import json
import ssl
import sys
import time
from pathlib import Path

import yaml

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
RESOURCES = {
    "Service": "services", "ConfigMap": "configmaps", "Deployment": "deployments", "Mesh": "meshes", "Secret": "secrets",
    "ServiceAccount": "serviceaccounts", "Namespace": "namespaces", "Role": "roles", "RoleBinding": "rolebindings",
    "ClusterRole": "clusterroles", "ClusterRoleBinding": "clusterrolebindings",
    "MutatingWebhookConfiguration": "mutatingwebhookconfigurations",
    "ValidatingWebhookConfiguration": "validatingwebhookconfigurations",
    "HorizontalPodAutoscaler": "horizontalpodautoscalers", "PodDisruptionBudget": "poddisruptionbudgets",
    "CustomResourceDefinition": "customresourcedefinitions", "EndpointSlice": "endpointslices",
}
CLUSTER = {"Namespace", "ClusterRole", "ClusterRoleBinding", "MutatingWebhookConfiguration",
           "ValidatingWebhookConfiguration", "CustomResourceDefinition"}
CONTENT = {"apply": "application/apply-patch+yaml", "merge": "application/merge-patch+json",
           "strategic": "application/strategic-merge-patch+json", "json": "application/json-patch+json"}


class Server:
    def __init__(self, folder):
        folder = Path(folder)
        context = ssl.create_default_context(cafile=folder / "ca.crt")
        context.load_cert_chain(folder / "admin.crt", folder / "admin.key")
        port = int((folder / "ports").read_text().split()[0])
        self.connection = http.client.HTTPSConnection("127.0.0.1", port, context=context)

    def ask(self, method, path, body=None, content="application/json"):
        text = None if body is None else json.dumps(body)
        self.connection.request(method, path, text, {"Content-Type": content})
        answer = self.connection.getresponse()
        return answer.status, json.loads(answer.read() or "null")


def path_of(obj, name=True):
    version, kind = obj["apiVersion"], obj["kind"]
    path = f"/apis/{version}" if "/" in version else f"/api/{version}"
    if kind not in CLUSTER:
        path += f"/namespaces/{obj['metadata'].get('namespace', 'default')}"
    path += "/" + RESOURCES[kind]
    return path + "/" + obj["metadata"]["name"] if name else path


class Case:
    """One object and what happens to it."""

    def __init__(self, server, about, target, schema=None):
        self.server, self.target = server, target
        self.case = {"about": about, "schema": schema, "steps": []}
        self.live = None
        server.ask("DELETE", path_of(target) + "?propagationPolicy=Background", {"gracePeriodSeconds": 0})

    def step(self, verb, manager, body, force=False, subresource=None, exact=True):
        """exact: the server adds no defaults of its own in this step."""
        time.sleep(1.02)
        changed = self.server.ask("GET", path_of(self.target))[1] if self.live else None  # by a controller
        changed = changed if changed != self.live else None
        self.live = changed or self.live
        query = f"?fieldManager={manager}" + ("&force=true" if force else "")
        below = "/" + subresource if subresource else ""
        if verb == "create":
            status, answer = self.server.ask("POST", path_of(body, False) + query, body)
        elif verb == "update":
            new = copy.deepcopy(self.live)
            body(new)
            body = new
            status, answer = self.server.ask("PUT", path_of(self.target) + below + query, new)
        else:
            status, answer = self.server.ask("PATCH", path_of(self.target) + below + query, body, CONTENT[verb])
        step = {"verb": verb, "manager": manager, "body": body, "status": status, "answer": answer}
        step.update({"live": changed} if changed else {})
        step.update({"force": True} if force else {})
        step.update({"subresource": subresource} if subresource else {})
        step.update({} if exact else {"defaults": True})
        self.case["steps"].append(copy.deepcopy(step))
        if status < 300:
            self.live = answer
        return answer

    def write(self, name):
        """A step a line; its live object, when not given, is the last answer that was no refusal."""
        case = same_each_time(self.case)
        steps = ",\n".join(compact(s) for s in case.pop("steps"))
        (HERE / name).write_text(compact(case)[:-1] + ',"steps":[\n' + steps + "\n]}\n")
        failed = [s["status"] for s in self.case["steps"]]
        print(name, failed)


def compact(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def same_each_time(case):
    times = set()

    def walk(value, visit, key=None):
        if isinstance(value, dict):
            return {k: walk(v, visit, k) for k, v in value.items()}
        if isinstance(value, list):
            return [walk(v, visit, key) for v in value]
        return visit(key, value)

    walk(case, lambda k, v: times.add(v) if k in ("time", "creationTimestamp") and v else None)
    ranks = {t: f"2026-01-01T00:{i // 60:02d}:{i % 60:02d}Z" for i, t in enumerate(sorted(times))}
    fixed = {"uid": "00000000-0000-0000-0000-000000000000", "resourceVersion": "1"}

    def visit(key, value):
        if key in ("time", "creationTimestamp"):
            return ranks.get(value, value)
        return fixed[key] if key in fixed and isinstance(value, str) else value

    return walk(case, visit)


def short(schema):
    """What merging needs of a schema."""
    names = ("properties", "items", "additionalProperties", "default", "nullable", "type")

    def keep(key, value):
        if key == "properties":
            return {k: short(v) for k, v in value.items()}
        return short(value) if key in ("items", "additionalProperties") else value
    return {k: keep(k, v) for k, v in schema.items()
            if k in names or (k.startswith("x-kubernetes") and k != "x-kubernetes-validations")}


def config_map(data, **metadata):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "case", **metadata}, "data": data}


def service(ports, **more):
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "case", "namespace": "default"},
            "spec": {"clusterIP": "None", "selector": {"app": "a"}, "ports": ports, **more}}


def deployment(containers, replicas=1, **pod):
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "case", "labels": {"app": "a"}},
            "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": "a"}},
                     "template": {"metadata": {"labels": {"app": "a"}}, "spec": {"containers": containers, **pod}}}}


def owners(server):
    c = Case(server, "two managers of one object: keys, conflicts, force, nothing", config_map({}))
    c.step("apply", "a", config_map({"x": "1", "y": "2"}, labels={"l": "1"}))
    c.step("apply", "a", config_map({"x": "1", "y": "2"}, labels={"l": "1"}))
    c.step("apply", "b", config_map({"x": "1", "z": "3"}))
    c.step("apply", "b", config_map({"x": "1"}))
    c.step("apply", "a", config_map({"y": "2"}))
    c.step("apply", "c", config_map({"x": "other", "y": "other"}))
    c.step("apply", "c", config_map({"x": "other"}))
    c.step("apply", "c", config_map({"x": "other", "y": "other"}, labels={"l": "2"}), force=True)
    c.step("apply", "c", config_map({}))
    c.step("apply", "a", config_map({"y": "2"}, finalizers=["test/a"], annotations={}))
    c.step("apply", "b", config_map({"y": "2"}, finalizers=["test/b", "test/a"]))
    c.step("apply", "a", config_map({"y": "2"}))
    c.step("apply", "b", {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "case"}})
    c.step("apply", "a", {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "case"}})
    c.write("owners.json")


def updates(server):
    c = Case(server, "create, update and patches are tracked; apply meets them", config_map({}))
    c.step("create", "kubectl-create", config_map({"x": "1", "y": "2"}, labels={"l": "1"}))
    c.step("update", "editor", lambda o: o["data"].update(y="3", z="4"))
    c.step("merge", "patcher", {"metadata": {"labels": {"m": "1"}, "annotations": {"n": "1"}}, "data": {"x": None}})
    c.step("update", "editor", lambda o: None)
    c.step("update", "editor", lambda o: o["metadata"].update(labels={"l": "2"}))
    c.step("apply", "a", config_map({"y": "mine", "z": "mine"}))
    c.step("apply", "a", config_map({"y": "3"}))
    c.step("apply", "a", config_map({"y": "mine", "z": "mine"}), force=True)
    c.step("update", "editor", lambda o: o["data"].pop("y"))
    c.step("apply", "a", config_map({}))
    c.step("update", "editor", lambda o: o["metadata"].update(managedFields=[{}]))
    c.step("update", "editor", lambda o: o.setdefault("data", {}).update(q="1"))
    c.step("apply", "a", config_map({"q": "2", "r": "1"}))
    c.step("apply", "a", config_map({"q": "2", "r": "1"}), force=True)
    c.step("strategic", "b", {"metadata": {"labels": {"s": "1"}}})
    for i in range(12):
        c.step("merge", f"many-{i:02d}", {"metadata": {"labels": {f"many-{i:02d}": "1"}}})
    c.write("updates.json")


def services(server):
    c = Case(server, "ports are a map by port and protocol, the selector is one value", service([]))
    http_port, tls_port = {"name": "http", "port": 80}, {"name": "https", "port": 443, "protocol": "TCP"}
    c.step("apply", "a", service([http_port, tls_port]), exact=False)
    c.step("apply", "a", service([tls_port]))
    c.step("apply", "b", service([{"name": "dns", "port": 53, "protocol": "UDP", "targetPort": 53}, tls_port]))
    c.step("apply", "b", service([tls_port, {"name": "mine", "port": 443, "protocol": "TCP"}]))
    c.step("apply", "b", service([{"name": "other", "port": 443, "protocol": "TCP"}]))
    c.step("apply", "b", service([tls_port], selector={"app": "b"}))
    c.step("apply", "b", service([tls_port], selector={"app": "b"}), force=True)
    c.step("update", "editor", lambda o: o["spec"]["ports"].append({"name": "more", "port": 9, "targetPort": 9}),
           exact=False)
    ready = {"type": "Ready", "status": "True", "reason": "R", "message": "", "lastTransitionTime": "2026-01-02T00:00:00Z"}
    status = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "case"}, "status": {"conditions": [ready]}}
    c.step("apply", "lb", status, subresource="status")
    c.step("merge", "lb2", {"status": {"conditions": [dict(ready, status="False")]}}, subresource="status")
    c.step("apply", "lb", status, subresource="status")
    c.step("apply", "a", dict(service([tls_port], selector={"app": "b"}), status={"conditions": []}))
    c.write("services.json")
    c = Case(server, "a Service that is created and changed by updates", service([]))
    # All that would be allotted is given: the server tracks fields before that, and the test only sees what is stored.
    c.step("create", "kubectl", service([http_port, tls_port], clusterIPs=["None"], ipFamilies=["IPv4"],
                                        ipFamilyPolicy="SingleStack"), exact=False)
    c.step("update", "editor", lambda o: o["spec"]["ports"].pop(0))
    c.step("strategic", "editor2", {"spec": {"ports": [{"port": 81, "name": "second", "targetPort": 81}]}}, exact=False)
    c.write("service-updates.json")


def deployments(server):
    c = Case(server, "containers, env, ports, volumes and so on are maps; defaults are nobody's", deployment([]))
    one = {"name": "one", "image": "i:1", "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
           "ports": [{"containerPort": 9090}, {"containerPort": 90, "name": "p"}],
           "volumeMounts": [{"name": "v", "mountPath": "/v"}], "args": ["x", "y"],
           "resources": {"requests": {"cpu": "1"}}}
    more = {"volumes": [{"name": "v", "emptyDir": {}}], "tolerations": [{"key": "k", "operator": "Exists"}],
            "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule",
                                           "labelSelector": {"matchLabels": {"app": "a"}}}],
            "imagePullSecrets": [{"name": "s"}], "nodeSelector": {"os": "linux"}}
    c.step("apply", "a", deployment([one], **more), exact=False)
    c.step("apply", "a", deployment([one], **more))
    scaled = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "case"}, "spec": {"replicas": 3}}
    c.step("apply", "scaler", scaled)
    c.step("apply", "scaler", scaled, force=True)
    no_replicas = deployment([one], **more)
    del no_replicas["spec"]["replicas"]
    c.step("apply", "a", no_replicas)
    other = {"name": "two", "image": "j:1", "terminationMessagePath": "/t", "terminationMessagePolicy": "File",
             "imagePullPolicy": "Always", "resources": {}}
    c.step("apply", "b", {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "case"}, "spec": {
        "template": {"spec": {"containers": [other, {"name": "one", "env": [{"name": "C", "value": "3"}]}]}}}})
    fewer = copy.deepcopy(no_replicas)
    fewer["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": "B", "value": "2"}]
    del fewer["spec"]["template"]["spec"]["containers"][0]["resources"]
    del fewer["spec"]["template"]["spec"]["tolerations"]
    c.step("apply", "a", fewer, exact=False)
    c.step("apply", "b", {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "case"}})
    c.step("apply", "st", {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "case"}, "status": {
        "conditions": [{"type": "Available", "status": "True"}], "replicas": 1}}, subresource="status", exact=False)
    c.step("merge", "st2", {"status": {"readyReplicas": 1, "conditions": [{"type": "X", "status": "True"}]}},
           subresource="status", exact=False)
    twice = copy.deepcopy(fewer)
    twice["spec"]["template"]["spec"]["containers"].append({"name": "one", "image": "k"})
    c.step("apply", "a", twice)
    c.write("deployments.json")
    c = Case(server, "a Deployment that is created and changed by updates", deployment([]))
    c.step("create", "kubectl", deployment([one], **more), exact=False)
    c.step("update", "editor", lambda o: o["spec"]["template"]["spec"]["containers"][0].update(image="i:2"))
    c.step("update", "editor", lambda o: o["spec"]["template"]["spec"]["containers"][0].pop("env"))
    c.step("strategic", "patcher", {"spec": {"template": {"spec": {"containers": [
        {"name": "one", "env": [{"name": "D", "value": "4"}]}]}}}})
    c.write("deployment-updates.json")


def custom(server):
    mesh = {"apiVersion": "meshwright.io/v1alpha1", "kind": "Mesh", "metadata": {"name": "case"}}
    sample = next(d for f in sorted((ROOT / "samples").rglob("*.yaml")) for d in yaml.safe_load_all(f.read_text())
                  if d and d.get("kind") == "Mesh")
    mesh["apiVersion"] = sample["apiVersion"]
    whole = dict(mesh, spec=sample["spec"])
    crd = yaml.safe_load((ROOT / "crds/meshes.yaml").read_text())
    schema = short(crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"])
    c = Case(server, "a custom resource and its status", mesh, schema)
    c.step("apply", "user", whole, exact=False)
    c.step("apply", "user", whole)

    def condition(kind, status="True", when="2026-01-02T00:00:00Z"):
        return {"type": kind, "status": status, "reason": "R", "message": "m", "lastTransitionTime": when,
                "observedGeneration": 1}
    c.step("apply", "meshwright", dict(mesh, status={"observedGeneration": 1, "conditions": [condition("Ready")]}),
           subresource="status", force=True)
    c.step("apply", "meshwright", dict(mesh, status={"observedGeneration": 1, "conditions": [condition("Ready")]}),
           subresource="status", force=True)
    c.step("apply", "meshwright", dict(mesh, status={"observedGeneration": 2, "conditions": [
        condition("Ready", "False"), condition("Stalled")]}, spec={}, metadata={"name": "case", "labels": {"x": "y"}}),
           subresource="status", force=True)
    c.step("apply", "meshwright", dict(mesh, status={"conditions": [condition("Stalled")]}), subresource="status")
    c.step("apply", "other", dict(mesh, status={"conditions": [condition("Stalled", "False")]}), subresource="status")
    c.step("apply", "meshwright", dict(mesh, metadata={"name": "case", "finalizers": ["meshwright.io/mesh"]}))
    c.step("update", "editor", lambda o: o["metadata"].update(labels={"a": "b"}))
    c.step("apply", "other", dict(mesh, status={"conditions": [condition("Stalled"), condition("Ready")]}),
           subresource="status", exact=False)
    c.step("apply", "meshwright", dict(mesh, status={}), subresource="status")
    c.step("apply", "meshwright", mesh, subresource="status")
    c.step("apply", "meshwright", mesh)
    c.step("apply", "user", dict(whole, spec=dict(whole["spec"], clusters=whole["spec"]["clusters"][:1])))
    c.write("custom.json")


def others(server):
    """Kinds of the other plans, and a CustomResourceDefinition."""
    hpa = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "case"}, "spec": {
        "minReplicas": 1, "maxReplicas": 5, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "x"},
        "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": {
            "type": "Utilization", "averageUtilization": 80}}}]}}
    pdb = {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "case"}, "spec": {
        "minAvailable": 1, "selector": {"matchLabels": {"app": "a"}}}}
    endpoints = {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": {"name": "case"},
                 "addressType": "IPv4", "ports": [{"name": "a", "port": 1, "protocol": "TCP"}],
                 "endpoints": [{"addresses": ["10.0.0.1"], "conditions": {"ready": True}}]}
    crd = yaml.safe_load((ROOT / "crds/trustbundles.yaml").read_text())
    for version in crd["spec"]["versions"]:
        schema = {"type": "object", "properties": {"spec": {"type": "object", "properties": {"a": {"type": "string"}}}}}
        version.update(schema={"openAPIV3Schema": schema}, additionalPrinterColumns=[])
    crd["spec"].update(group="case.example.org")
    crd["metadata"]["name"] = crd["spec"]["names"]["plural"] + ".case.example.org"
    for obj, key, value in ((hpa, "maxReplicas", 7), (pdb, "minAvailable", 2), (endpoints, None, None),
                            (crd, "scope", "Cluster" if crd["spec"]["scope"] == "Namespaced" else "Namespaced")):
        c = Case(server, "an object of another kind", obj)
        time.sleep(2)
        c.step("apply", "meshwright", obj, force=True, exact=False)
        time.sleep(2)
        c.step("apply", "meshwright", dict(obj, metadata=dict(obj["metadata"], labels={"a": "b"})), force=True,
               exact=False)
        less = copy.deepcopy(obj)
        if key:
            less["spec"][key] = value
        else:
            less["endpoints"] = []
        if obj is not crd:
            c.step("apply", "other", less)
            c.step("update", "editor", lambda o, less=less: o.update({k: less[k] for k in less if k != "metadata"}))
        c.step("apply", "meshwright", dict(obj, metadata=dict(obj["metadata"], annotations={"a": "b"})), force=True,
               exact=False)
        if obj is crd:
            server.ask("DELETE", path_of(crd))
        c.write(obj["kind"].lower() + ".json")


def plan(server):
    """What we write ourselves: each object once, again, and with one label less."""
    for i, obj in enumerate(d for d in yaml.safe_load_all((ROOT / "testdata/istio/primary-c1/out.yaml").read_text()) if d):
        if obj["kind"] == "CustomResourceDefinition":
            continue
        if obj["kind"] == "Namespace":
            obj["metadata"]["name"] = "plan"  # one that goes stays, without a controller
        if obj["kind"] == "ConfigMap":
            obj["data"] = {k: v[:40] for k, v in obj["data"].items()}
        if obj["kind"] == "Secret":
            obj.pop("stringData", None)
            obj["data"] = {k: "eA==" for k in obj.get("data", {"k": 1})}
        for rule in (r for w in obj.get("webhooks", []) for r in w.get("rules", [])):
            rule.setdefault("scope", "*")  # a default in a list that is one value
        if obj["metadata"].get("namespace"):
            obj["metadata"]["namespace"] = "default"
        c = Case(server, "an object of our plan", obj)
        time.sleep(0.2)
        c.step("apply", "meshwright", obj, force=True, exact=False)
        c.step("apply", "meshwright", obj, force=True)
        fewer = copy.deepcopy(obj)
        label = sorted(fewer["metadata"]["labels"])[-1]
        del fewer["metadata"]["labels"][label]
        c.step("merge", "somebody", {"metadata": {"labels": {"theirs": "1"}, "annotations": {"theirs": "1"}}})
        c.step("apply", "meshwright", fewer, force=True)
        c.write(f"plan-{i:02d}-{obj['kind'].lower()}.json")


def main():
    server = Server(sys.argv[1])
    for f in sorted((ROOT / "crds").glob("*.yaml")):
        for crd in yaml.safe_load_all(f.read_text()):
            server.ask("PATCH", path_of(crd) + "?fieldManager=setup&force=true", crd, CONTENT["apply"])
    time.sleep(2)
    wanted = sys.argv[2:]
    for make in (owners, updates, services, deployments, custom, others, plan):
        if not wanted or make.__name__ in wanted:
            make(server)


if __name__ == "__main__":
    main()
