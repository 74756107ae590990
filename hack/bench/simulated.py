# SPDX-License-Identifier: Apache-2.0
"""What is measured against kubesim, many simulated API servers in one process: fleets, and a restart of the controller."""
import json
import subprocess
import tempfile
import time
from pathlib import Path

import measures
from peers import ROOT, ticks
from servers import NAMESPACE, load, with_own_ca


class Kubesim:
    """kubesim with n clusters."""

    def __init__(self, program, n):
        self.folder = tempfile.TemporaryDirectory(prefix="meshwright-bench.")
        self.dir = Path(self.folder.name) / "clusters"
        self.dir.mkdir()
        self.process = subprocess.Popen([program, "--clusters", str(n), "--dir", self.dir], stdout=subprocess.DEVNULL)
        for _ in range(600):
            if len(list(self.dir.iterdir())) >= n and self.process.poll() is None:
                return
            time.sleep(0.1)
        self.stop()
        raise SystemExit("bench: kubesim does not start")

    def cpu(self):
        return ticks(self.process.pid)

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.folder.cleanup()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def fleet(config, peers, server):
    """As `idle`, but the clusters are clusters: each holds its own objects."""
    for watches in (2, 6):
        for peer in measures.chosen(peers):
            values = measures.idle_once(peer, server.dir, watches, config.idle_s, server)
            yield f"{len(list(server.dir.iterdir()))}x{watches}", peer.name, values


def have(program, results, name, say):
    left = [m for m in results.data.get("not_measured", []) if not m.startswith(name)]
    if not program.exists():
        say(f"NOT MEASURED: {name}: there is no {program.relative_to(ROOT)}")
        left.append(f"{name}: there was no kubesim")
    results.data["not_measured"] = left
    return program.exists()


def run_fleet(results, measure, config, peers, build, say):
    program = ROOT / build / "kubesim"
    results.forget("sim")
    if not have(program, results, "sim", say):
        return
    n = config.clusters[-1]
    say(f"kubesim with {n} clusters")
    with Kubesim(program, n) as server:
        files = sorted(server.dir.iterdir())
        load("small", NAMESPACE, 5, *files)
        for i, file in enumerate(files):
            file.write_text(with_own_ca(file.read_text(encoding="utf-8"), i), encoding="utf-8")
        measure(results, "sim", fleet, config, peers, server)


def run_controller(results, config, build, say):
    """The whole controller: an install, silence, and a restart when its work is done; see fleet/fleet."""
    results.forget("restart")
    results.data.pop("restart", None)
    if not have(ROOT / build / "kubesim", results, "restart", say):
        return
    command = [ROOT / "hack/bench/fleet/fleet", "--meshes", str(config.meshes), "--size", str(config.mesh_size), "--quiet", "20", "--restart", "25"]
    said = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False, text=True)
    if said.stdout:
        results.data["restart"] = json.loads(said.stdout)
        say(f"restart: {json.dumps(results.data['restart'])}")
    if said.returncode:
        results.fail("restart", said.stderr.strip().splitlines()[-1])
