# SPDX-License-Identifier: Apache-2.0
"""From the results to performance.md and performance.svg."""
import chart
import targets
from stats import FAMILIES, Stats

HEAD = """<!-- SPDX-License-Identifier: Apache-2.0 -->
# Performance

What our Kubernetes client costs, beside [client-go](https://github.com/kubernetes/client-go),
[controller-runtime](https://github.com/kubernetes-sigs/controller-runtime) and [kube-rs](https://github.com/kube-rs/kube),
each at its best settings. `make bench` measures all of it anew and writes this page.

![Bars: medians; the thin line ends at the worst round](performance.svg)
"""

HOW = """## How it was measured
- {cores} cores, {memory_gib} GiB; client and server share them, and talk TLS over loopback. Kubernetes {kubernetes} (kube-apiserver and etcd), client-go
  {client-go} and controller-runtime {controller-runtime} on Go {go}, kube-rs {kube-rs} on Rust {rust}; ours with gcc {gcc} and libcurl {libcurl}.
- {objects} Services (2 ports, 4 labels, an annotation of 400 bytes) and as many EndpointSlices (4 endpoints), with managedFields, in 200
  namespaces. They are put into etcd before the API server starts.
- Rounds, in each of which all peers run in turn: {rounds}. Ratios are made within a round. Each cell has the median, and in brackets the worst
  round.
- client-go and controller-runtime read protobuf, without a rate limit, and strip managedFields; kube-rs clears them. TRIM=1 keeps of each
  object what our records keep. Memory is VmRSS a second after the caches are synced, without and with a forced garbage collection (ours
  and kube-rs: malloc_trim). CPU is the process's own, from getrusage.
- Ours keeps less of an object than the peers do: that is its design, and TRIM=1 shows what the same costs there.
- Churn: two writers replace objects, {churn_s} s at the server's full speed, then {paced_s} s at 200 writes a second. The full
  speed differs from run to run, and events that come close together cost less each: the second comparison is the fairer one.
- Reaction: a proxy between peer and server stops the time from the last byte of an event to the first byte of the write that answers it.
- In idle fleets ours asks for the metadata of what is neither a Service, a Deployment nor a Namespace, as the controller does; the peers
  cache whole objects, as they do unless told otherwise.
- An idle fleet has a CA bundle, and so connections, for each cluster; 5 objects of each kind.
- Ratios travel to other machines, absolute figures do not. [hack/bench](../hack/bench) has the programs.
"""


def cell(stats, measure, case, peer, key, form, scale=1.0):
    value = stats.median(measure, case, peer, key)
    if value is None:
        return ""
    worst = stats.worst(measure, case, peer, key)
    return f"{form.format(value / scale)} ({form.format(worst / scale)})"


def against(stats, measure, case, key, peer):
    got = stats.ratio(measure, case, key, peer) if peer != "ours" else None
    return f"{got[0]:.2f} ({got[1]:.2f})" if got else ""


MB = 1000 / 1.024  # of a KiB


def table(stats, measure, case, columns, ratio_key, extra=()):
    """A row for each peer; columns: (title, key, form, scale). The last column: ours to that peer."""
    lines = ["| | " + " | ".join(c[0] for c in columns) + " | ours : peer |", "|---" * (len(columns) + 2) + "|"]
    for name, label in [*((p.name, p.label) for p in stats.peers), *extra]:
        cells = [cell(stats, measure, case, name, *c[1:]) for c in columns]
        if any(cells):
            lines.append(f"| {label} | " + " | ".join(cells) + f" | {against(stats, measure, case, ratio_key, name)} |")
    return lines


def sync_part(stats):
    out = []
    for case in stats.cases("sync"):
        out += [f"## Cold sync: {case} Services and {case} EndpointSlices", "From the start of the process until both caches are complete.", ""]
        columns = [("wall ms", "wall_ms", "{:.0f}", 1), ("CPU s", "cpu_s", "{:.2f}", 1), ("CPU of the server, s", "server_s", "{:.1f}", 1)]
        out += table(stats, "sync", case, columns, "wall_ms", [("curl", "two parallel curls to /dev/null")])
        out += ["", "CPU and memory of controller-runtime are those when every object was reconciled once.", "", "## Memory with these objects", ""]
        columns = [("resident, MB", "rss_kb", "{:.1f}", MB), ("after forced GC, MB", "freed_kb", "{:.1f}", MB), ("peak, MB", "hwm_kb", "{:.1f}", MB), ("threads", "threads", "{:.0f}", 1)]
        out += table(stats, "sync", case, columns, "rss_kb")
        out += ["", *slopes(stats, case)]
    return out


def slopes(stats, case):
    """MB for 10,000 objects: what the process has more than with an empty server."""
    lines = []
    for p in stats.peers:
        full, base = stats.median("sync", case, p.name, "rss_kb"), stats.median("start", "", p.name, "rss_kb")
        objects = stats.median("sync", case, p.name, "objects")
        if full and base and objects:
            lines.append(f"{p.label} {(full - base) / MB / objects * 1e4:.1f} MB")
    return ["Per 10,000 objects (without what the process takes with none): " + "; ".join(lines) + ".", ""] if lines else []


def churn_part(stats):
    out = []
    for case, title in (("full", "at the server's full speed"), ("paced", "at 200 writes a second")):
        columns = [("CPU µs per event", "cpu_us", "{:.0f}", 1), ("events/s", "rate", "{:.0f}", 1), ("CPU of the server per write, µs", "server_us", "{:.0f}", 1), ("resident afterwards, MB", "rss_kb", "{:.1f}", MB)]
        rows = table(stats, "churn", case, columns, "cpu_us")
        out += [f"## Watch events, {title}", "", *rows, ""] if len(rows) > 2 else []
    return out


def react_part(stats):
    rows = table(stats, "react", "", [("median, µs", "p50_us", "{:.0f}", 1), ("99th percentile, µs", "p99_us", "{:.0f}", 1)], "p50_us")
    return ["## From an event to the write that answers it", "", *rows, ""] if len(rows) > 2 else []


def idle_part(stats, measure, title):
    out = []
    for case in stats.cases(measure):
        n, watches = case.split("x")
        columns = [
            ("resident, MB", "rss_kb", "{:.1f}", MB), ("after forced GC, MB", "freed_kb", "{:.1f}", MB), ("threads", "threads", "{:.0f}", 1),
            ("all synced after, s", "wall_ms", "{:.2f}", 1000), ("CPU until then, s", "cpu_s", "{:.2f}", 1), ("idle, µs CPU/s", "idle_us_s", "{:.0f}", 1), ("server, ms CPU/s", "server_us_s", "{:.1f}", 1000),
        ]
        out += [f"### {n} clusters, {watches} watches each", "", *table(stats, measure, case, columns, "rss_kb"), ""]
    if not out:
        return []
    for watches in (2, 6):
        rows = {p.label: stats.per_cluster(measure, watches, p.name) for p in stats.peers}
        said = "; ".join(f"{label} {max(v.values()) * 1.024:.0f} kB" for label, v in rows.items() if v)
        out += [f"Each cluster more, {watches} watches (worst round): {said}.", ""] if said else []
    return [f"## {title}", "", *out]


def start_part(stats, sizes):
    rows = table(stats, "start", "", [("first request after, ms", "first_ms", "{:.1f}", 1), ("resident with nothing to keep, MB", "rss_kb", "{:.1f}", MB)], "first_ms")
    out = ["## Start", "", *rows, ""] if len(rows) > 2 else []
    if sizes:
        out += ["## Sizes", "", "| | program, stripped, MB | its shared libraries, MB |", "|---|---|---|"]
        for name, s in sizes.items():
            if "program" in s:
                out.append(f"| {name if name != 'ours' else 'the benchmark of our client'} | {s['program'] / 1e6:.2f} | {s['libraries'] / 1e6:.1f} |")
        if "image" in sizes:
            out += ["", f"The image (the controller, all its libraries, Istio's CRDs) as a tar file: {sizes['image']['image'] / 1e6:.1f} MB."]
    return [*out, ""]


def chart_rows(stats, measure, case, key, scale, floor=None):
    rows = []
    for family in ("ours", *FAMILIES):
        name = stats.best(measure, case, family, key)
        if name:
            kind = "ours" if family == "ours" else "peer"
            rows.append(("Meshwright" if kind == "ours" else family, stats.median(measure, case, name, key) / scale, stats.worst(measure, case, name, key) / scale, kind))
    if floor and stats.rounds(measure, case, floor, key):
        rows.append(("two curls", stats.median(measure, case, floor, key) / scale, stats.worst(measure, case, floor, key) / scale, "floor"))
    return rows


def idle_rows(stats, watches):
    rows = []
    for family in ("ours", *FAMILIES):
        values = [v * 1.024 for v in stats.per_cluster("idle", watches, family).values()]
        if values:
            rows.append(("Meshwright" if family == "ours" else family, sorted(values)[len(values) // 2], max(values), "ours" if family == "ours" else "peer"))
    return rows


def panels(stats):
    sync = stats.cases("sync")[0] if stats.cases("sync") else ""
    all_panels = [
        ("Cold sync, wall", "seconds", chart_rows(stats, "sync", sync, "wall_ms", 1000, "curl")),
        ("Cold sync, CPU", "seconds", chart_rows(stats, "sync", sync, "cpu_s", 1, "curl")),
        ("Memory with all objects", "MB resident", chart_rows(stats, "sync", sync, "rss_kb", MB)),
        ("A watch event", "µs of CPU", chart_rows(stats, "churn", "full", "cpu_us", 1)),
        ("An idle cluster, 2 watches", "kB resident", idle_rows(stats, 2)),
        ("Event to answering write", "µs, median", chart_rows(stats, "react", "", "p50_us", 1)),
    ]
    return [p for p in all_panels if p[2]]


def write(data, peers, folder):
    stats = Stats(data, peers)
    lost = targets.losses(stats)
    lines = [HEAD, "## The targets", "The worst round counts.", "", *targets.table(stats), ""]
    lines += ["## Where a peer is better", "Medians of ours that are more than 5% above a peer's:" if lost else "Nowhere by more than 5%.", "", *lost, ""]
    lines += [*sync_part(stats), *churn_part(stats), *react_part(stats), *idle_part(stats, "idle", "Idle fleets, on a real API server")]
    lines += [*idle_part(stats, "sim", "Idle fleets, on kubesim"), *restart_part(data), *start_part(stats, data.get("sizes"))]
    missing = [*data.get("not_measured", []), *(f"{f['measure']}: {f['why']}" for f in data.get("failures", []))]
    lines += ["## Not measured", *(f"- {m}" for m in missing), ""] if missing else []
    rounds = ", ".join(f"{m} {stats.rounds_of(m)}" for m in ("sync", "churn", "start", "react", "idle", "sim") if stats.cases(m))
    lines.append(HOW.format(**data["facts"], **data["settings"], rounds=rounds))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "performance.md").write_text("\n".join(lines), encoding="utf-8")
    if panels(stats):
        (folder / "performance.svg").write_text(chart.draw(panels(stats)), encoding="utf-8")


def restart_part(data):
    got = data.get("restart")
    if not got:
        return []
    again, quiet = got["restart"], got["quiet"]
    return [
        "## The whole controller, on kubesim", "",
        f"{got['meshes']} meshes with {got['clusters']} clusters; [hack/bench/fleet](../hack/bench/fleet) measures it.", "", "| | |", "|---|---|",
        f"| install until all meshes are Ready, s | {got['install_s']:.1f} ({got['ratio_to_bare_writer']:.2f} x a bare writer of the same objects) |",
        f"| CPU for it, s | {got['controller_cpu_s']:.1f} |",
        f"| writes; of them without effect | {got['writes']}; {got['noop_writes']} |",
        f"| writes in {quiet['seconds']} s of silence | {quiet['writes']} |",
        f"| writes after a restart | **{again['writes']}** |",
        f"| resident after a restart; peak, MB | {again['memory_kb']['VmRSS'] / MB:.1f}; {again['memory_kb']['VmHWM'] / MB:.1f} |", "",
    ]
