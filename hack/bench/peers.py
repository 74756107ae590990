# SPDX-License-Identifier: Apache-2.0
"""The programs that are compared, and how one of them is run and asked."""
import json
import os
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
CACHE = Path(os.environ.get("MESHWRIGHT_CACHE", Path.home() / ".cache/meshwright"))
BIN = CACHE / "bench/bin"
RUST = CACHE / "bench/rust"

LIST = {"KUBE_FEATURE_WatchListClient": "false"}


class Peer:
    """name is in the results; family groups the settings of one peer; label is for people."""

    def __init__(self, name, family, label, program, env=None):
        self.name, self.family, self.label, self.program, self.env = name, family, label, program, env or {}


def peers(build):
    """All settings of all peers; build is the folder of our own build."""
    ours = ROOT / build / "hack/bench/c/bench"
    rust = RUST / "release/bench-kube-rs"
    return [
        Peer("ours", "ours", "Meshwright", ours),
        Peer("client-go", "client-go", "client-go, list+watch", BIN / "clientgo", LIST),
        Peer("client-go-watchlist", "client-go", "client-go, watch-list (default)", BIN / "clientgo"),
        Peer("controller-runtime", "controller-runtime", "controller-runtime, list+watch", BIN / "controllerruntime", LIST),
        Peer("controller-runtime-watchlist", "controller-runtime", "controller-runtime, watch-list (default)", BIN / "controllerruntime"),
        Peer("controller-runtime-trim", "controller-runtime", "controller-runtime, list+watch, TRIM=1", BIN / "controllerruntime", {**LIST, "TRIM": "1"}),
        Peer("kube-rs", "kube-rs", "kube-rs, pages of 500 (default)", rust),
        Peer("kube-rs-streaming", "kube-rs", "kube-rs, streaming_lists", rust, {"STREAMING": "1"}),
    ]


def build_all(build):
    """Builds the peers, one after the other; ours is built by make. Without Cargo kube-rs is left out."""
    env = {**os.environ, "GOFLAGS": "-buildvcs=false", "GOWORK": "off", "CGO_ENABLED": "0", "CARGO_TARGET_DIR": str(RUST)}
    BIN.mkdir(parents=True, exist_ok=True)
    here = ROOT / "hack/bench"
    go = ["go", "build", "-trimpath", "-ldflags", "-s -w", "-o", f"{BIN}/", "./clientgo", "./controllerruntime", "./load", "./reaction"]
    subprocess.run(["nice", *go], cwd=here / "go", env=env, check=True)
    if shutil.which("cargo"):
        subprocess.run(["nice", "cargo", "build", "--quiet", "--release"], cwd=here / "rust", env=env, check=True)
    targets = [f"{build}/{p}" for p in ("hack/bench/c/bench", "meshwright", "kubesim", "bench-writer")]
    subprocess.run(["make", "--no-print-directory", f"O={build}", *targets, "build/crds.json", "istio-data"], cwd=ROOT, check=True)


def ticks(pid):
    """CPU seconds of a process so far, or 0 when it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Failed(Exception):
    """A peer did not do what it should."""


class Running:
    """A peer that runs. Its lines are read by a thread, so that a peer never waits for us."""

    def __init__(self, peer, args, kubeconfig=None):
        env = {**os.environ, **peer.env, "BENCH_START": str(time.time_ns())}
        if kubeconfig:
            env["KUBECONFIG"] = str(kubeconfig)
        self.peer = peer
        self.errors = open(ROOT / "build/bench/stderr.log", "a", encoding="utf-8")
        self.process = subprocess.Popen([str(peer.program), *map(str, args)], env=env, stdout=subprocess.PIPE, stderr=self.errors, text=True)
        self.lines, self.news = [], threading.Condition()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            with self.news:
                self.lines.append(json.loads(line))
                self.news.notify_all()
        with self.news:
            self.lines.append(None)
            self.news.notify_all()

    def wait(self, at, seconds):
        """The next line that says `at`."""
        end = time.monotonic() + seconds
        with self.news:
            while True:
                for i, line in enumerate(self.lines):
                    if line is None:
                        raise Failed(f"{self.peer.name} ended: see build/bench/stderr.log")
                    if line["at"] == at:
                        del self.lines[: i + 1]
                        return line
                if not self.news.wait(max(0, end - time.monotonic())):
                    raise Failed(f"{self.peer.name}: no '{at}' within {seconds} s")

    def ready(self, seconds=180):
        """(synced, ready): the caches are there; all that follows from it is done."""
        synced = self.wait("synced", seconds)
        if self.peer.family == "controller-runtime" and synced["objects"] > 1:
            return synced, self.wait("reconciled", seconds)
        return synced, synced

    def ask(self, at):
        self.process.send_signal(signal.SIGUSR1 if at == "mark" else signal.SIGUSR2)
        return self.wait(at, 60)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.errors.close()
