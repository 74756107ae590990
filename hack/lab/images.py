#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The container images of the lab, made without a container engine.

images.py key   prints a hash of what the images are made from
images.py tar   writes all images as one docker archive to standard output, shared layers once

Istio's images carry Istio's own binaries, with Envoy as the proxy: hub docker.io/lab, tag 1. Programs are taken from the cache
($MESHWRIGHT_CACHE, see hack/lab/build), the lab's own are compiled here. Nothing is compressed: the archive goes through a pipe.
"""
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile

HERE = os.path.dirname(os.path.realpath(__file__))
CACHE = os.environ.get("MESHWRIGHT_CACHE") or os.path.expanduser("~/.cache/meshwright")
BIN = os.path.join(CACHE, "lab/bin")
IMG = os.path.join(CACHE, "lab/img")

# Layers: a ready tar, or path in the image -> file (a C file is compiled).
LAYERS = {
    "base": os.path.join(IMG, "base.tar"),
    "pause": {"pause": os.path.join(HERE, "pause.c")},
    "echo": {"usr/local/bin/echo-server": os.path.join(HERE, "echo.c")},
    "pilot": {"usr/local/bin/pilot-discovery": os.path.join(BIN, "pilot-discovery")},
    "proxy": {
        "usr/local/bin/envoy": os.path.join(BIN, "envoy"),
        "usr/local/bin/pilot-agent": os.path.join(BIN, "pilot-agent"),
        "var/lib/istio/envoy/envoy_bootstrap_tmpl.json": os.path.join(IMG, "envoy_bootstrap.json"),
    },
}
ENV = ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]
# Images: layers and configuration. Istio's agent expects to be started in /.
ISTIO = {"Env": ENV, "WorkingDir": "/", "User": "1337:1337"}
IMAGES = {
    "docker.io/lab/pause:1": (["pause"], {"Entrypoint": ["/pause"]}),
    "docker.io/lab/base:1": (["base"], {"Env": ENV, "WorkingDir": "/", "Cmd": ["sleep", "infinity"]}),
    "docker.io/lab/echo:1": (["echo"], {"Env": ENV, "User": "1000", "Entrypoint": ["/usr/local/bin/echo-server"]}),
    "docker.io/lab/pilot:1": (["base", "pilot"], ISTIO | {"Entrypoint": ["/usr/local/bin/pilot-discovery"]}),
    "docker.io/lab/proxyv2:1": (["base", "proxy"], ISTIO | {"Entrypoint": ["/usr/local/bin/pilot-agent"]}),
}


def key():
    """A hash that changes with any input; of the big ones size and time count."""
    h = hashlib.sha256()
    with open(__file__, "rb") as f:
        h.update(f.read())
    for spec in LAYERS.values():
        for src in [spec] if isinstance(spec, str) else sorted(spec.values()):
            if src.endswith(".c"):
                with open(src, "rb") as f:
                    h.update(f.read())
            else:
                st = os.stat(src)
                h.update(f"{src} {st.st_size} {st.st_mtime_ns}\n".encode())
    return h.hexdigest()


def compiled(src, tmp):
    out = os.path.join(tmp, os.path.basename(src)[:-2])
    subprocess.run([os.environ.get("CC", "cc"), "-O2", "-static", "-pthread", "-o", out, src], check=True)
    return out


def layer(name, tmp):
    """The path of a layer's tar, made in TMP unless it is there."""
    spec = LAYERS[name]
    if isinstance(spec, str):
        return spec
    out = os.path.join(tmp, name + ".tar")
    with tarfile.open(out, "w") as tar:
        folders = set()
        for dst, src in sorted(spec.items()):
            for i, c in enumerate(dst):
                if c == "/" and dst[:i] not in folders:
                    folders.add(dst[:i])
                    info = tarfile.TarInfo(dst[:i])
                    info.type, info.mode = tarfile.DIRTYPE, 0o755
                    tar.addfile(info)
            path = compiled(src, tmp) if src.endswith(".c") else src
            info = tarfile.TarInfo(dst)
            info.size = os.path.getsize(path)
            info.mode = 0o755 if os.access(path, os.X_OK) else 0o644
            with open(path, "rb") as f:
                tar.addfile(info, f)
    return out


def archive(out):
    def add(name, data):
        info = tarfile.TarInfo(name)
        info.size = len(data)
        tar.addfile(info, io.BytesIO(data))

    # the layers are as big as the store itself, so they do not go to /tmp
    with tempfile.TemporaryDirectory(dir=IMG) as tmp, tarfile.open(fileobj=out, mode="w|") as tar:
        digest = {}
        for name in LAYERS:
            path = layer(name, tmp)
            with open(path, "rb") as f:
                digest[name] = hashlib.file_digest(f, "sha256").hexdigest()
            tar.add(path, digest[name] + "/layer.tar", recursive=False)
        manifest = []
        for image, (layers, config) in IMAGES.items():
            diff_ids = ["sha256:" + digest[name] for name in layers]
            conf = json.dumps({"architecture": "amd64", "os": "linux", "config": config, "rootfs": {"type": "layers", "diff_ids": diff_ids}}).encode()
            file = hashlib.sha256(conf).hexdigest() + ".json"
            add(file, conf)
            manifest.append({"Config": file, "RepoTags": [image], "Layers": [digest[name] + "/layer.tar" for name in layers]})
        add("manifest.json", json.dumps(manifest).encode())


if __name__ == "__main__":
    if sys.argv[1:] == ["key"]:
        print(key())
    elif sys.argv[1:] == ["tar"]:
        archive(sys.stdout.buffer)
    else:
        sys.exit(__doc__)
