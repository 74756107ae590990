# SPDX-License-Identifier: Apache-2.0
"""Meshwright on the lab: installing it, its resources, the endpoints that talk, and the controller as a process."""
import os
import subprocess
import threading
import time

import yaml

from lab import LAB, ROOT, Cluster, Failed, run, until

DEMO = os.path.join(ROOT, "hack/demo")
CHART = os.path.join(ROOT, "charts/meshwright")
VALUES = os.path.join(DEMO, "values.yaml")
BINARY = os.environ.get("E2E_BINARY") or os.path.join(ROOT, "build/release/meshwright")
NS = "fleet"
API = f"/apis/meshwright.dev/v1alpha1/namespaces/{NS}"
ISTIO = "/api/v1/namespaces/istio-system"


def read(name):
    with open(os.path.join(DEMO, name), encoding="utf-8") as f:
        return f.read()


def condition(conditions, kind):
    """(status, reason, message) of a condition; three times '' when it is not there."""
    for c in conditions or []:
        if c["type"] == kind:
            return c["status"], c["reason"], c["message"]
    return "", "", ""


class System:
    """Hub c1 with members; `all` holds every cluster of the lab."""

    def __init__(self, names, folder):
        self.folder = folder
        self.all = {n: Cluster(n, folder) for n in names}
        self.hub = self.all["c1"]

    def close(self):
        for c in self.all.values():
            c.close()

    # --- installing ---

    def helm(self, *args, ok=True, timeout=120):
        return run(LAB, "in", "c1", "helm", *args, ok=ok, timeout=timeout)

    def prepare(self):
        run(LAB, "load", os.path.join(ROOT, "build/meshwright.tar"), "c1")
        self.hub.kubectl("create", "namespace", NS)
        for n, c in self.all.items():
            if n != "c1":
                self.secret(n, c.kubeconfig)
            c.kubectl("create", "namespace", "demo")
            c.kubectl("label", "namespace", "demo", "istio-injection=enabled")

    def secret(self, name, kubeconfig):
        self.hub.kubectl("create", "secret", "generic", f"{name}-kubeconfig", "-n", NS, f"--from-file=value={kubeconfig}")

    def install(self):
        self.helm("install", "meshwright", CHART, "-n", NS, "--values", VALUES, "--wait", "--timeout", "60s")

    def scale(self, replicas):
        self.hub.kubectl("scale", "-n", NS, "deployment/meshwright", f"--replicas={replicas}")
        if replicas:
            self.hub.kubectl("rollout", "status", "-n", NS, "deployment/meshwright", "--timeout=60s")
        else:
            until(30, "controller ended", lambda: not self.hub.list(f"/api/v1/namespaces/{NS}/pods", "app.kubernetes.io/name=meshwright"))

    # --- resources ---

    def resources(self, **mesh_spec):
        """Applies the demo's three resources; mesh_spec is merged into the Mesh's."""
        docs = list(yaml.safe_load_all(read("resources.yaml")))
        for d in docs:
            if d["kind"] == "Mesh":
                d["spec"].update(mesh_spec)
        self.hub.apply(yaml.safe_dump_all(docs))

    def apply(self, kind, name, **spec):
        doc = {"apiVersion": "meshwright.dev/v1alpha1", "kind": kind, "metadata": {"name": name, "namespace": NS}, "spec": spec}
        return self.hub.apply(yaml.safe_dump(doc))

    def member(self, name):
        return self.hub.get(f"{API}/memberclusters/{name}")

    def mesh(self, name="shop"):
        return self.hub.get(f"{API}/meshes/{name}")

    def condition(self, obj, kind="Ready", cluster=None):
        status = obj.get("status", {})
        if cluster:
            rows = [r for r in status.get("clusters", []) if r["name"] == cluster]
            return condition(rows[0].get("conditions") if rows else [], kind)
        return condition(status.get("conditions"), kind)

    def is_ready(self, obj):
        """Ready, and for the spec as it is now."""
        return obj and obj["status"].get("observedGeneration") == obj["metadata"]["generation"] and self.condition(obj)[0] == "True"

    def ready(self, seconds=60, name="shop"):
        until(seconds, f"mesh {name} Ready", lambda: self.is_ready(self.mesh(name)))

    def why(self, name="shop"):
        mesh = self.mesh(name) or {}
        lines = [f"mesh/{name}: {c['type']}={c['status']} {c['reason']}: {c['message']}" for c in mesh.get("status", {}).get("conditions", [])]
        for row in mesh.get("status", {}).get("clusters", []):
            lines += [f"  {row['name']}: {c['type']}={c['status']} {c['reason']}: {c['message']}" for c in row.get("conditions", [])]
        return "\n".join(lines)

    def delete_mesh(self, name="shop", seconds=90):
        self.hub.delete(f"{API}/meshes/{name}")
        until(seconds, f"mesh {name} deleted", lambda: self.mesh(name) is None)

    # --- counting writes ---

    def marks(self):
        return {n: c.mark() for n, c in self.all.items()}

    def writes(self, marks):
        return [w for n, c in self.all.items() for w in c.writes(marks[n])]

    def quiet(self, seconds, limit=90):
        """Waits until nothing was written for that long; returns what was written last when that takes too long."""
        end = time.monotonic() + limit
        while True:
            marks = self.marks()
            time.sleep(seconds)
            last = self.writes(marks)
            if not last:
                return
            if time.monotonic() > end:
                raise Failed(f"still writing after {limit} s:\n" + "\n".join(last))

    # --- endpoints ---

    def endpoint(self, cluster, x, wait=True):
        text = read("endpoint.yaml").replace("@x@", x).replace("@X@", x.upper()).replace("@C@", cluster)
        self.all[cluster].apply(text)
        if wait:
            self.all[cluster].kubectl("rollout", "status", "-n", "demo", f"deployment/endpoint-{x}", "--timeout=60s")

    def ask(self, cluster, x, url):
        """The answer that endpoint x gets, as {key: value}."""
        out = self.all[cluster].kubectl("exec", "-n", "demo", f"deployment/endpoint-{x}", "-c", "client", "--", "curl", "-sS", "-f", "-m", "3", url)
        return dict(line.split("=", 1) for line in out.splitlines() if "=" in line)

    def controller_log(self, lines=40):
        return self.hub.kubectl("logs", "-n", NS, "deployment/meshwright", f"--tail={lines}", ok=False) or "(no log)"


class Traffic:
    """Requests of one endpoint to a URL, about ten a second, while the block runs; every one must be answered with 200.

    The loop runs in the pod by itself: it goes on while the API server is away."""

    def __init__(self, system, cluster, x, url):
        self.exec = ["exec", "-n", "demo", f"deployment/endpoint-{x}", "-c", "client", "--", "sh", "-c"]
        self.cluster, self.url, self.file = system.all[cluster], url, f"/tmp/traffic-{time.monotonic_ns()}"

    def shell(self, script):
        return self.cluster.kubectl(*self.exec, script)

    def __enter__(self):
        self.shell(f'touch {self.file}.run; (while [ -e {self.file}.run ]; do curl -s -o /dev/null -m 3 -w "%{{http_code}}\\n" {self.url}; '
                   f'sleep .1; done) >{self.file} 2>/dev/null </dev/null &')
        until(10, "traffic flows", lambda: self.codes())
        return self

    def codes(self):
        return self.shell(f"cat {self.file}").split()

    def __exit__(self, kind, value, trace):
        self.shell(f"rm -f {self.file}.run; sleep .3")
        if kind is None:
            codes = self.codes()
            bad = [c for c in codes if c != "200"]
            assert len(codes) > 5 and not bad, f"{len(bad)} of {len(codes)} requests failed: {bad[:5]}"


class Controller:
    """The controller as a process in the hub's network, so that it can be killed and started again at once."""

    def __init__(self, system):
        with open(VALUES, encoding="utf-8") as f:
            values = yaml.safe_load(f)
        self.cmd = [LAB, "in", "c1", BINARY, "run", "--kubeconfig", system.hub.kubeconfig, "--namespace", NS, "--metrics-bind-address", "0",
                    "--data", os.path.join(ROOT, "build/share/istio-data"), "--istio-hub", values["istio"]["hub"], "--istio-tag", values["istio"]["tag"]]
        for name, value in values["istiodEnv"].items():
            self.cmd += ["--istiod-env", f"{name}={value}"]
        self.log = os.path.join(system.folder, "controller.log")
        self.process = None

    def start(self, *args):
        with open(self.log, "a", encoding="utf-8") as f:
            self.process = subprocess.Popen(self.cmd + list(args), stdout=f, stderr=subprocess.STDOUT)

    def stop(self):
        """Ends it as Kubernetes would; it has to end by itself."""
        if self.process and self.process.poll() is None:
            self.process.terminate()
            assert self.process.wait(15) == 0, f"exit {self.process.returncode} after SIGTERM"
        self.process = None

    def crashing(self, writes, done, seconds):
        """Starts it again and again, each time until it dies after that many writes, until done(). Returns how often it died."""
        end, deaths, finished = time.monotonic() + seconds, 0, threading.Event()
        watcher = threading.Thread(target=lambda: (until(seconds, "done in spite of crashes", done), finished.set()), daemon=True)
        watcher.start()
        try:
            while not finished.is_set():
                if time.monotonic() > end or (not watcher.is_alive() and not finished.is_set()):
                    raise Failed(f"not done within {seconds} s, {deaths} deaths; log: {self.tail()}")
                self.start("--crash-after-writes", str(writes))
                while self.process.poll() is None and not finished.is_set():
                    time.sleep(0.02)
                if self.process.returncode is not None:
                    if self.process.returncode != 137:
                        raise Failed(f"exit {self.process.returncode}; log: {self.tail()}")
                    deaths += 1
        finally:
            if self.process and self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            self.process = None
        return deaths

    def tail(self):
        with open(self.log, encoding="utf-8", errors="replace") as f:
            return "".join(f.readlines()[-25:])
