# SPDX-License-Identifier: Apache-2.0
"""Everything that Meshwright made in a cluster, found by its labels over all kinds."""
import copy
import re

OWNER = "meshwright.dev/owner-uid"
INTENT = "meshwright.dev/intent"
MANAGER = "meshwright"


def path_of(api, plural, obj):
    ns = obj["metadata"].get("namespace")
    return f"{api}{'/namespaces/' + ns if ns else ''}/{plural}/{obj['metadata']['name']}"


def labelled(cluster, selector=OWNER):
    """[(path, object)] of all that carries the label; also what Kubernetes derives from ours, like EndpointSlices."""
    found = []
    for api, plural, kind in cluster.kinds(again=True):
        for item in cluster.list(f"{api}/{plural}", selector):
            item.setdefault("kind", kind)
            found.append((path_of(api, plural, item), item))
    return found


def is_applied(obj):
    return any(f["manager"] == MANAGER and f["operation"] == "Apply" for f in obj["metadata"].get("managedFields", []))


def objects(cluster, selector=OWNER):
    """{path: object} of what Meshwright applied."""
    return {path: obj for path, obj in labelled(cluster, selector) if is_applied(obj)}


def nothing_left(cluster):
    """[] when no object of any kind carries our label; else their paths."""
    return [path for path, _ in labelled(cluster)]


def fields_of(obj):
    return [f["fieldsV1"] for f in obj["metadata"].get("managedFields", []) if f["manager"] == MANAGER and f["operation"] == "Apply"]


def normalised(obj):
    """What must be the same after every way to the same state: times, identities, generated content and what others write apart."""
    o = copy.deepcopy(obj)
    meta = o["metadata"]
    fields = fields_of(o)
    for key in "uid", "resourceVersion", "creationTimestamp", "generation", "managedFields", "selfLink":
        meta.pop(key, None)
    o.pop("status", None)
    o.pop("apiVersion", None)
    meta.get("labels", {})[OWNER] = "OWNER"
    annotations = meta.get("annotations", {})
    for key in list(annotations):
        # the intent of an object holds its owner's UID, which is another one in each run
        if key in (INTENT, "meshwright.dev/issued", "meshwright.dev/expires"):
            annotations[key] = "SET"
        elif key.startswith(("deployment.kubernetes.io/", "kubectl.kubernetes.io/")):
            del annotations[key]
    if o["kind"] == "Secret":
        o["data"] = sorted(o.get("data", {}))
    if o["kind"] == "Service":
        for key in "clusterIP", "clusterIPs":
            o["spec"].pop(key, None)
    for webhook in o.get("webhooks", []):  # istiod writes these
        webhook["clientConfig"].pop("caBundle", None)
        webhook.pop("failurePolicy", None)
    o["fields"] = fields
    return o


def state(cluster):
    """{path: normalised object}"""
    return {path: normalised(obj) for path, obj in objects(cluster).items()}


def difference(a, b):
    """Lines that say what differs between two states; [] when nothing does."""
    out = []
    for path in sorted(set(a) | set(b)):
        if path not in a:
            out.append("+ " + path)
        elif path not in b:
            out.append("- " + path)
        elif a[path] != b[path]:
            out.append("~ " + path + ": " + "; ".join(deep(a[path], b[path])))
    return out


def deep(a, b, at=""):
    if isinstance(a, dict) and isinstance(b, dict):
        for key in sorted(set(a) | set(b)):
            yield from deep(a.get(key), b.get(key), f"{at}.{key}")
    elif isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        for i, (x, y) in enumerate(zip(a, b)):
            yield from deep(x, y, f"{at}[{i}]")
    elif a != b:
        yield f"{at}: {re.sub(chr(10), ' ', str(a))[:200]} -> {re.sub(chr(10), ' ', str(b))[:200]}"
