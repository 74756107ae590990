# SPDX-License-Identifier: Apache-2.0
"""The servers that peers are measured against: a real API server with etcd, and kubesim."""
import base64
import re
import subprocess
import tempfile
import time
from pathlib import Path

from peers import BIN, ROOT, ticks

NAMESPACE = "bench"


def load(*args, kubeconfig=None):
    env = {"KUBECONFIG": str(kubeconfig)} if kubeconfig else None
    return subprocess.run([BIN / "load", *map(str, args)], env=env, check=True, stdout=subprocess.PIPE, text=True).stdout


class ApiServer:
    """A real API server with n Services and n EndpointSlices; with n 0 nearly empty."""

    def __init__(self, n):
        self.folder = tempfile.TemporaryDirectory(prefix="meshwright-bench.")
        self.dir = Path(self.folder.name) / "server"
        try:
            self.start(n)
        except BaseException:
            self.stop()
            raise

    def start(self, n):
        self.control("etcd")
        self.port, etcd, _ = (self.dir / "ports").read_text(encoding="utf-8").split()
        if n:
            wait_for(f"http://127.0.0.1:{etcd}/health")
            load("etcd", f"http://127.0.0.1:{etcd}", n)
        self.control("start")
        self.kubeconfig = self.dir / "kubeconfig"
        self.pids = [int((self.dir / f"{p}.pid").read_text(encoding="utf-8")) for p in ("apiserver", "etcd")]
        time.sleep(3)  # its own first steps

    def control(self, command):
        subprocess.run([ROOT / "hack/apiserver", command, self.dir], check=True)

    def cpu(self):
        return sum(map(ticks, self.pids))

    def curl(self, path, *more):
        d = self.dir
        return ["curl", "-sSf", "--http1.1", "--cacert", d / "ca.crt", "--cert", d / "admin.crt", "--key", d / "admin.key", *more, f"https://127.0.0.1:{self.port}{path}"]

    def fleet(self, n):
        """A folder with n kubeconfigs of this server, as if each were another cluster."""
        folder = self.dir / f"fleet-{n}"
        folder.mkdir(exist_ok=True)
        text = self.kubeconfig.read_text(encoding="utf-8")
        for i in range(n):
            (folder / f"c{i:04}").write_text(with_own_ca(text, i), encoding="utf-8")
        return folder

    def stop(self):
        self.control("stop")
        self.folder.cleanup()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def with_own_ca(kubeconfig, number):
    """The same with a CA bundle of its own, as each cluster of a fleet has: none of the peers puts two of them on one
    connection then. What stands before a PEM block does not count."""
    ca = re.search(r"certificate-authority-data: (\S+)", kubeconfig).group(1)
    own = f"cluster {number}\n".encode() + base64.b64decode(ca)
    return kubeconfig.replace(ca, base64.b64encode(own).decode())


def wait_for(url):
    for _ in range(100):
        if subprocess.run(["curl", "-sf", url], stdout=subprocess.DEVNULL, check=False).returncode == 0:
            return
        time.sleep(0.1)
    raise SystemExit(f"bench: {url} does not answer")
