# SPDX-License-Identifier: Apache-2.0
"""Machines outside the clusters, that join a mesh as a user would have them join: a bundle made in the hub, and its install.sh."""
import io
import subprocess
import tarfile

from lab import LAB, ROOT, Failed, run, until

FOLDER = "/root/bundle"  # where a bundle is unpacked on a machine
PROGRAM = "/usr/local/lib/meshwright/machine"  # what install.sh leaves there


def untar(data):
    """{name: text} of the files of a tar, which has them in a folder."""
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return {m.name.rpartition("/")[2]: tar.extractfile(m).read().decode() for m in tar if m.isfile()}


def pack(files):
    """A tar of {name: text}."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            data = text.encode()
            info.size, info.mode = len(data), 0o700 if name.endswith(".sh") else 0o600
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


class Machine:
    """Machine NAME of the lab, of a WorkloadGroup, serving EndPoint-X of a mesh."""

    def __init__(self, system, name, group, x, mesh):
        self.system, self.name, self.group, self.x, self.mesh = system, name, group, x, mesh
        self.address = None

    def make(self):
        """Switched on for the first time: an empty Debian with the workload, and in no mesh."""
        self.address = run(LAB, "machine", self.name).split()[-1]
        self.serve()

    def off(self):
        run(LAB, "stop", self.name)

    def on(self):
        """Switched on again, with what was on its disk."""
        run(LAB, "start", self.name)
        self.serve()
        self.shell(f"[ ! -e {PROGRAM} ] || setsid {PROGRAM} supervise >/dev/null 2>&1 </dev/null &")  # as its init would

    def shell(self, commands, ok=True, timeout=120):
        return run(LAB, "in", self.name, "sh", "-c", commands, ok=ok, timeout=timeout)

    def attempt(self, commands, timeout=120):
        """(exit code, what it printed) of commands that may fail."""
        p = subprocess.run([LAB, "in", self.name, "sh", "-c", commands], capture_output=True, text=True, timeout=timeout, check=False)
        return p.returncode, p.stdout + p.stderr

    def serve(self):
        """Starts the workload, which knows nothing of any mesh."""
        self.shell(f"CLUSTER={self.name} MESH={self.mesh} POD_NAME={self.name} setsid echo-server >/dev/null 2>&1 </dev/null & echo $! > /run/echo-server.pid")
        until(5, f"{self.name} serves", lambda: self.shell("curl -sf -m 1 http://127.0.0.1:8080/"))

    def stop_serving(self):
        self.shell("kill $(cat /run/echo-server.pid)")

    def kill(self, program):
        """Ends a program as a crash would."""
        self.shell(f"kill -9 $(grep -lx {program} /proc/[0-9]*/comm | cut -d/ -f3)")

    # --- joining ---

    def bundle(self, *args, group=None):
        """The bundle of its group, as {file: text}."""
        return self.system.bundle(group or self.group, *args)

    def put(self, files):
        p = subprocess.run([LAB, "in", self.name, "sh", "-c", f"rm -rf {FOLDER} && mkdir -m 700 {FOLDER} && tar -x -C {FOLDER}"],
                           input=pack(files), capture_output=True, timeout=30, check=False)
        if p.returncode:
            raise Failed(f"{self.name}: {p.stderr.decode()}")

    def install(self, *args, prefix=""):
        """(exit code, output) of install.sh of the bundle that was put there."""
        return self.attempt(f"{prefix} {FOLDER}/install.sh {' '.join(args)}")

    def join(self, *args):
        """From the group to a machine that is in the mesh."""
        self.put(self.bundle(*args))
        code, output = self.install()
        if code:
            raise Failed(f"{self.name}: install.sh: exit {code}\n{output}")
        self.joined()

    def joined(self, seconds=20):
        until(seconds, f"the proxy of {self.name} is ready", self.is_ready)

    def is_ready(self):
        return self.attempt("curl -sf -m 2 -o /dev/null http://127.0.0.1:15021/healthz/ready")[0] == 0

    def follow(self):
        """After a gateway moved: the machine is told its address of now."""
        self.put(self.bundle())
        code, output = self.install("--refresh")
        if code:
            raise Failed(f"{self.name}: install.sh --refresh: exit {code}\n{output}")

    def hosts(self):
        return self.shell("cat /etc/hosts")

    def get(self, url):
        """What a request of the machine gets, as {key: value}; Failed when it gets none."""
        return dict(line.split("=", 1) for line in self.shell(f"curl -sSf -m 3 {url}").splitlines() if "=" in line)

    def log(self, lines=30):
        return self.attempt(f"tail -n {lines} /var/log/istio/*.log")[1]
