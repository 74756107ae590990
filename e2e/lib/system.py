# SPDX-License-Identifier: Apache-2.0
"""Meshwright on the lab: installing it, its resources, the endpoints that talk, and the controller as a process."""
import os
import subprocess
import threading
import time

import yaml

from lab import LAB, ROOT, Cluster, Failed, run, until
from machine import untar

DEMO = os.path.join(ROOT, "hack/demo")
CHART = os.path.join(ROOT, "charts/meshwright")
VALUES = os.path.join(DEMO, "values.yaml")
RESOURCES = os.path.join(ROOT, "e2e/topologies/2b/resources.yaml")
ENDPOINT = os.path.join(ROOT, "e2e/endpoint.yaml")
BINARY = os.environ.get("E2E_BINARY") or os.path.join(ROOT, "build/release/meshwright")
NS = "fleet"
API = f"/apis/meshwright.dev/v1alpha1/namespaces/{NS}"
ISTIO = "/api/v1/namespaces/istio-system"
KINDS = ["meshworkloadgroups", "trustbundles", "meshgateways", "meshes", "memberclusters"]  # in the order in which they can go


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def condition(conditions, kind):
    """(status, reason, message) of a condition; three times '' when it is not there."""
    for c in conditions or []:
        if c["type"] == kind:
            return c["status"], c["reason"], c["message"]
    return "", "", ""


def amiss(objects):
    """A line for each condition of resources [(name to show, object or None)], and of their clusters, that is not as it should be."""
    lines = []
    for name, obj in objects:
        status = (obj or {}).get("status", {})
        rows = [("", status.get("conditions", []))] + [(f" {r['name']}", r.get("conditions", [])) for r in status.get("clusters", [])]
        lines += [f"{name}{row}: {c['type']}={c['status']} {c['reason']}: {c['message']}" for row, conditions in rows for c in conditions
                  if c["status"] != ("False" if c["type"] in ("Reconciling", "Stalled") else "True")]
    return "\n".join(lines) or "all conditions are as they should be"


class System:
    """Hub c1 with members; `all` holds every cluster of the lab."""

    def __init__(self, names, folder):
        self.folder = folder
        self.all = {n: Cluster(n, folder) for n in names}
        self.hub = self.all["c1"]
        self.machines = {}

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

    def ensure(self):
        """Installs Meshwright unless it is."""
        if not self.hub.get(f"/apis/apps/v1/namespaces/{NS}/deployments/meshwright"):
            self.install()

    def clear(self):
        """Takes every resource of ours away, and the endpoints."""
        for plural in KINDS:
            # of a type that was made just now the API server knows nothing for a moment
            items = until(20, plural, lambda: [self.hub.list(f"{API}/{plural}")])[0]
            paths = [f"{API}/{plural}/{o['metadata']['name']}" for o in items]
            for path in paths:
                self.hub.delete(path)
            until(90, f"no {plural}", lambda: not self.hub.list(f"{API}/{plural}"))
        for c in self.all.values():
            c.kubectl("delete", "deployments,services", "-n", "demo", "--all", "--wait=false")

    def led(self):
        """Whether the one controller that runs holds a lease."""
        pods = self.hub.list(f"/api/v1/namespaces/{NS}/pods", "app.kubernetes.io/name=meshwright")
        holders = {lease["spec"].get("holderIdentity", "") for lease in self.hub.list(f"/apis/coordination.k8s.io/v1/namespaces/{NS}/leases")}
        return len(pods) == 1 and any(h.startswith(pods[0]["metadata"]["name"]) for h in holders)

    def scale(self, replicas):
        self.hub.kubectl("scale", "-n", NS, "deployment/meshwright", f"--replicas={replicas}")
        if replicas:
            self.hub.kubectl("rollout", "status", "-n", NS, "deployment/meshwright", "--timeout=60s")
        else:
            until(30, "controller ended", lambda: not self.hub.list(f"/api/v1/namespaces/{NS}/pods", "app.kubernetes.io/name=meshwright"))

    # --- resources ---

    def resources(self, **mesh_spec):
        """Applies the three resources of topology 2b; mesh_spec is merged into the Mesh's."""
        docs = list(yaml.safe_load_all(read(RESOURCES)))
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

    def why(self):
        """The conditions of all resources that are not as they should be."""
        items = [o for plural in KINDS for o in self.hub.list(f"{API}/{plural}")]
        return amiss([(f"{o['kind']}/{o['metadata']['name']}", o) for o in items])

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

    @staticmethod
    def endpoint_text(cluster, x, mesh="shop"):
        return read(ENDPOINT).replace("@x@", x).replace("@X@", x.upper()).replace("@C@", cluster).replace("@M@", mesh)

    def endpoint(self, cluster, x, wait=True):
        self.all[cluster].apply(self.endpoint_text(cluster, x))
        if wait:
            self.all[cluster].kubectl("rollout", "status", "-n", "demo", f"deployment/endpoint-{x}", "--timeout=60s")

    def ask(self, cluster, x, url):
        """The answer that endpoint x gets, as {key: value}."""
        out = self.all[cluster].kubectl("exec", "-n", "demo", f"deployment/endpoint-{x}", "-c", "client", "--", "curl", "-sS", "-f", "-m", "3", url)
        return dict(line.split("=", 1) for line in out.splitlines() if "=" in line)

    def shell(self, client, commands):
        """Runs shell commands where a client is (X@CLUSTER, X@MACHINE, or outside); returns what they print."""
        x, _, where = client.partition("@")
        if client == "outside":
            return run(LAB, "in", "net", "sh", "-c", commands)
        if where in self.machines:
            return self.machines[where].shell(commands)
        return self.all[where].kubectl("exec", "-n", "demo", f"deployment/endpoint-{x}", "-c", "client", "--", "sh", "-c", commands)

    def bundle(self, group, *args):
        """{file: text} of the bundle of a WorkloadGroup, as its user has it made."""
        cmd = [LAB, "in", "c1", BINARY, "vm", "bundle", group, "--namespace", NS, "--kubeconfig", self.hub.kubeconfig, "-o", "-", *args]
        p = subprocess.run(cmd, capture_output=True, timeout=60, check=False)
        if p.returncode:
            raise Failed(f"vm bundle {group}: exit {p.returncode}\n{p.stderr.decode()}")
        return untar(p.stdout)

    def controller_log(self, lines=12):
        return self.hub.kubectl("logs", "-n", NS, "deployment/meshwright", f"--tail={lines}", ok=False) or "(no log)"


class Traffic:
    """Requests of one endpoint to a URL, about ten a second, while the block runs; when strict, every one must be answered with 200.

    The loop runs in the pod, or on the machine, by itself: it goes on while the API server is away."""

    def __init__(self, system, cluster, x, url, strict=True):
        self.system, self.client = system, f"{x}@{cluster}"
        self.url, self.file = url, f"/tmp/traffic-{time.monotonic_ns()}"
        self.strict, self.what = strict, f"{x}@{cluster} {url}"
        self.rows, self.failed = [], 0

    def shell(self, commands):
        return self.system.shell(self.client, commands)

    def start(self):
        self.shell(f'touch {self.file}.run; (while [ -e {self.file}.run ]; do : >{self.file}.body; '
                   f'c=$(curl -s -o {self.file}.body -m 3 -w "%{{http_code}}" {self.url}); '
                   f'echo "$c $(date +%s.%N) $([ "$c" = 200 ] || head -c 120 {self.file}.body | tr "\n" " ")"; sleep .1; done) '
                   f'>{self.file} 2>/dev/null </dev/null &')
        until(10, f"traffic flows: {self.what}", self.read)

    def finish(self):
        """Ends the requests, and counts those that failed."""
        self.shell(f"rm -f {self.file}.run; sleep .3")
        self.failed = sum(code != "200" for code, *_ in self.read())

    def complaint(self):
        """What is wrong with the requests when it is strict; None: nothing."""
        if not self.strict or (len(self.rows) > 5 and not self.failed):
            return None
        bad = [(when - self.rows[0][1], code, text) for code, when, text in self.rows if code != "200"]
        told = "; ".join(f"at {at:.1f} s {code} {text}".rstrip() for at, code, text in bad[:2] + bad[-1:])
        return f"{self.what}: {len(bad)} of {len(self.rows)} requests failed, within {self.outage():.1f} s: {told}"

    def read(self):
        """[(code, when, the beginning of an answer that is not 200)] so far."""
        rows = [line.split(maxsplit=2) + [""] for line in self.shell(f"cat {self.file} 2>/dev/null || :").splitlines()]
        self.rows = [(r[0], float(r[1]), r[2]) for r in rows if len(r) > 2]
        return self.rows

    def quiet_since(self, seconds=3):
        """When the last answer came, if all has failed for so long since; else None."""
        rows = self.read()
        last = max((when for code, when, _ in rows if code == "200"), default=None)
        return last if last and rows[-1][1] - last > seconds else None

    def first_failure(self):
        """When, since the flow began, and what was answered; 000: nothing within 3 s, or no connection."""
        return next((f"at {when - self.rows[0][1]:.1f} s {code} {text}".rstrip() for code, when, text in self.rows if code != "200"), "")

    def outage(self):
        """Seconds from the first to the last failure."""
        bad = [when for code, when, _ in self.rows if code != "200"]
        return bad[-1] - bad[0] if bad else 0.0

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, kind, value, trace):
        self.finish()
        assert kind or not self.complaint(), self.complaint()


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
        self.kill()  # what a test that failed left running would go on beside it
        with open(self.log, "a", encoding="utf-8") as f:
            self.process = subprocess.Popen(self.cmd + list(args), stdout=f, stderr=subprocess.STDOUT)

    def stop(self):
        """Ends it as Kubernetes would; it has to end by itself."""
        if self.process and self.process.poll() is None:
            self.process.terminate()
            assert self.process.wait(15) == 0, f"exit {self.process.returncode} after SIGTERM"
        self.process = None

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
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
            self.kill()
        return deaths

    def tail(self):
        with open(self.log, encoding="utf-8", errors="replace") as f:
            return "".join(f.readlines()[-25:])
