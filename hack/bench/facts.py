# SPDX-License-Identifier: Apache-2.0
"""What does not depend on a run: the machine, versions, sizes of programs."""
import os
import re
import subprocess
import tempfile
from pathlib import Path

from peers import CACHE, ROOT


def said(*command):
    out = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, text=True).stdout
    return out.strip()


def first(pattern, text):
    match = re.search(pattern, text)
    return match.group(1) if match else "?"


def machine():
    meminfo = Path("/proc/meminfo").read_text(encoding="utf-8")
    go_mod = (ROOT / "hack/bench/go/go.mod").read_text(encoding="utf-8")
    cargo = (ROOT / "hack/bench/rust/Cargo.toml").read_text(encoding="utf-8")
    server = (ROOT / "hack/lab/go/kubernetes/go.mod").read_text(encoding="utf-8")
    return {
        "cores": os.cpu_count(),
        "memory_gib": round(int(first(r"MemTotal:\s+(\d+)", meminfo)) / 2**20),
        "kubernetes": first(r"k8s.io/kubernetes v([\d.]+)", server),
        "client-go": first(r"k8s.io/client-go v([\d.]+)", go_mod),
        "controller-runtime": first(r"controller-runtime v([\d.]+)", go_mod),
        "kube-rs": first(r'kube = \{ version = "=([\d.]+)', cargo),
        "go": first(r"go([\d.]+)", said("go", "version")),
        "rust": first(r"rustc ([\d.]+)", said("rustc", "--version")),
        "libcurl": first(r"([\d.]+)", said("pkg-config", "--modversion", "libcurl")),
        "gcc": said("gcc", "-dumpfullversion"),
    }


def stripped(program):
    with tempfile.NamedTemporaryFile() as out:
        subprocess.run(["strip", "-o", out.name, program], check=True)
        return os.path.getsize(out.name)


def libraries(program):
    """Bytes of the shared libraries that a program is loaded with."""
    paths = re.findall(r"(/\S+) \(0x", said("ldd", str(program)))
    return sum(os.path.getsize(os.path.realpath(p)) for p in set(paths))


def sizes(peers, build):
    programs = {p.name: p.program for p in peers if p.name in ("ours", "client-go", "controller-runtime", "kube-rs")}
    programs["meshwright"] = ROOT / build / "meshwright"
    all_sizes = {name: {"program": stripped(p), "libraries": libraries(p)} for name, p in programs.items()}
    image = ROOT / "build/meshwright.tar"
    if image.exists():
        all_sizes["image"] = {"image": image.stat().st_size}
    all_sizes["cache"] = {"api-server": (CACHE / "lab/bin/kube-apiserver").stat().st_size}
    return all_sizes
