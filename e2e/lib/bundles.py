# SPDX-License-Identifier: Apache-2.0
"""The files of `meshwright vm bundle` beside those of istioctl, for the groups of e2e/bundles.yaml."""
import base64
import difflib
import json
import os
import tempfile

import yaml

from lab import LAB, ROOT, run

FILES = ["root-cert.pem", "cluster.env", "mesh.yaml", "hosts"]
PORTS = "ISTIO_INBOUND_PORTS="


def groups():
    with open(os.path.join(ROOT, "e2e/bundles.yaml"), encoding="utf-8") as f:
        return yaml.safe_load(f)


def istioctl(cluster, namespace, name, *args):
    """{file: text}, by the real one."""
    with tempfile.TemporaryDirectory() as folder:
        run(LAB, "in", cluster, "istioctl", "x", "workload", "entry", "configure", "--name", name, "--namespace", namespace, "-o", folder, *args)
        found = {}
        for file in os.listdir(folder):
            with open(os.path.join(folder, file), encoding="utf-8") as f:
                found[file] = f.read()
        return found


def settled(files):
    """istioctl walks over a map: the order of the ports is another one each time, here that of their numbers."""
    lines = files["cluster.env"].splitlines(keepends=True)
    for i, line in enumerate(lines):
        if line.startswith(PORTS) and "," in line:
            ports = line[len(PORTS):].strip().strip("'").split(",")
            lines[i] = f"{PORTS}'{','.join(sorted(ports, key=int))}'\n"
    return files | {"cluster.env": "".join(lines)}


def claims(token):
    """What a token says but for its times and its number: what it is good for, for whom, for how long."""
    body = token.split(".")[1]
    c = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return {"aud": c["aud"], "iss": c["iss"], "sub": c["sub"], "account": c["kubernetes.io"], "seconds": c["exp"] - c["iat"]}


def differences(ours, theirs):
    """Lines that say what differs; [] when nothing does."""
    ours, theirs = settled(ours), settled(theirs)
    out = []
    for file in FILES:
        out += difflib.unified_diff(theirs[file].splitlines(), ours[file].splitlines(), f"istioctl/{file}", f"meshwright/{file}", lineterm="")
        if not out and theirs[file] != ours[file]:
            out.append(f"{file}: the end of the last line differs")
    if claims(ours["istio-token"]) != claims(theirs["istio-token"]):
        out.append(f"istio-token: {claims(theirs['istio-token'])} -> {claims(ours['istio-token'])}")
    if set(ours) != set(theirs) | {"install.sh"}:
        out.append(f"files: {sorted(theirs)} -> {sorted(ours)}")
    return out
