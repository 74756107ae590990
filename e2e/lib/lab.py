# SPDX-License-Identifier: Apache-2.0
"""The lab's clusters, as the tests use them."""
import http.client
import json
import os
import socket
import subprocess
import time

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "../.."))
LAB = os.path.join(ROOT, "hack/lab/lab")
AGENT = "e2e"


class Failed(AssertionError):
    """A command or request did not do what it should."""


def run(*cmd, data=None, ok=True, timeout=120):
    """Runs CMD and returns its output; with ok=False a failure is returned as None."""
    p = subprocess.run(cmd, input=data, capture_output=True, text=True, timeout=timeout, cwd=ROOT)
    if p.returncode != 0:
        if not ok:
            return None
        raise Failed(f"{' '.join(cmd)}: exit {p.returncode}\n{p.stdout}{p.stderr}")
    return p.stdout


def until(seconds, what, probe, every=0.2):
    """Repeats probe() until it returns something true, and returns that. What it raised last is part of the failure."""
    end = time.monotonic() + seconds
    problem = ""
    while True:
        try:
            result = probe()
            if result:
                return result
            problem = f"last: {result!r}"
        except (Failed, OSError, http.client.HTTPException, KeyError, IndexError, TypeError) as e:
            problem = f"last: {type(e).__name__}: {e}"
        if time.monotonic() > end:
            raise Failed(f"not within {seconds} s: {what}; {problem}")
        time.sleep(every)


def steady(seconds, what, probe, every=0.5):
    """Fails as soon as probe() is not true, within the given time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not probe():
            raise Failed(f"did not stay so for {seconds} s: {what}")
        time.sleep(every)


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket: kubectl proxy serves the API there."""

    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Cluster:
    def __init__(self, name, folder):
        self.name = name
        self.socket = os.path.join(folder, name + ".sock")
        self.kubeconfig = run(LAB, "kubeconfig", name).strip()
        self.audit_log = run(LAB, "audit", name).strip()
        self.proxy = subprocess.Popen([LAB, "in", name, "kubectl", "proxy", "--unix-socket=" + self.socket],
                                      stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(10, f"API of {name}", lambda: self.get("/version"))
        self._kinds = None

    def close(self):
        self.proxy.kill()
        self.proxy.wait()

    def request(self, method, path, body=None, kind="application/json", accept="application/json", timeout=15):
        """(status, parsed answer)"""
        c = UnixConnection(self.socket, timeout)
        try:
            headers = {"Accept": accept, "User-Agent": AGENT}
            if body is not None:
                headers["Content-Type"] = kind
                body = json.dumps(body)
            c.request(method, path, body, headers)
            r = c.getresponse()
            text = r.read()
            try:
                return r.status, json.loads(text)
            except ValueError:
                return r.status, text.decode(errors="replace")
        finally:
            c.close()

    def get(self, path):
        """The object, or None when there is none."""
        status, answer = self.request("GET", path)
        if status == 404:
            return None
        if status != 200:
            raise Failed(f"{self.name}: GET {path}: {status} {answer}")
        return answer

    def patch(self, path, body):
        """JSON patch when body is a list, merge patch otherwise."""
        kind = "application/json-patch+json" if isinstance(body, list) else "application/merge-patch+json"
        status, answer = self.request("PATCH", path, body, kind)
        if status != 200:
            raise Failed(f"{self.name}: PATCH {path}: {status} {answer}")
        return answer

    def delete(self, path):
        status, answer = self.request("DELETE", path)
        if status not in (200, 202, 404):
            raise Failed(f"{self.name}: DELETE {path}: {status} {answer}")

    def kubectl(self, *args, data=None, ok=True, timeout=120):
        return run(LAB, "k", self.name, *args, data=data, ok=ok, timeout=timeout)

    def apply(self, text, *args):
        return self.kubectl("apply", *args, "-f", "-", data=text)

    def kinds(self, again=False):
        """Every resource type that can be listed: (path of the API, plural, kind)."""
        if self._kinds is None or again:
            found = []
            for root in "/api", "/apis":
                _, groups = self.request("GET", root, accept="application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList")
                for group in groups["items"]:
                    name = group["metadata"].get("name", "")
                    version = group["versions"][0]
                    path = f"/apis/{name}/{version['version']}" if name else f"/api/{version['version']}"
                    for r in version["resources"]:
                        if "list" in r["verbs"]:
                            found.append((path, r["resource"], r["responseKind"]["kind"]))
            self._kinds = found
        return self._kinds

    def list(self, path, selector=""):
        """Items of a collection; [] where the type does not exist (any more)."""
        status, answer = self.request("GET", path + ("?labelSelector=" + selector if selector else ""))
        if status in (404, 405):
            return []
        if status != 200:
            raise Failed(f"{self.name}: GET {path}: {status} {answer}")
        return answer["items"]

    def writes(self, mark=0, agent="meshwright/"):
        """What a client wrote since the mark, from the API server's audit log: leases apart, which are renewed for ever."""
        found = []
        with open(self.audit_log, encoding="utf-8") as f:
            f.seek(mark)
            for line in f:
                if not line.endswith("\n"):
                    break
                e = json.loads(line)
                ref = e.get("objectRef", {})
                if e.get("userAgent", "").startswith(agent) and ref.get("resource") != "leases":
                    sub = ref.get("subresource")
                    found.append(f"{self.name}: {e['verb']} {ref.get('resource')}{'/' + sub if sub else ''} "
                                 f"{ref.get('namespace', '')}/{ref.get('name', '')} {e.get('responseStatus', {}).get('code')}")
        return found

    def mark(self):
        return os.path.getsize(self.audit_log)
