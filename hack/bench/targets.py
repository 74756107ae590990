# SPDX-License-Identifier: Apache-2.0
"""What the project wants to reach, and whether it does. The worst round counts."""
from statistics import median

from stats import FAMILIES


def of_ratio(stats, label, bound, where, key, other):
    got = stats.ratio(*where, key, other) if other else None
    return label, f"≤ {bound:g} x", bound, got, "{:.2f} x"


def of_value(stats, label, bound, unit, values, scale=1):
    got = (median(values) / scale, max(values) / scale) if values else None
    return label, f"≤ {bound:g} {unit}", bound, got, "{:.1f} " + unit


def peak(stats, sync):
    rss, high = stats.rounds(*sync, "ours", "rss_kb"), stats.rounds(*sync, "ours", "hwm_kb")
    got = [high[i] / rss[i] for i in high]
    return "Peak of cold sync to what stays", "≤ 1.1 x", 1.1, (median(got), max(got)) if got else None, "{:.2f} x"


def idle_ratio(stats, bound):
    ours = stats.per_cluster("idle", 2, "ours")
    theirs = stats.per_cluster("idle", 2, "client-go")
    ratios = [ours[i] / theirs[i] for i in ours if theirs.get(i)]
    return "... to client-go", f"≤ {bound:g} x", bound, (median(ratios), max(ratios)) if ratios else None, "{:.2f} x"


def rows(stats):
    """(label, target, bound, (median, worst) or None, format)"""
    sync = ("sync", stats.cases("sync")[0] if stats.cases("sync") else "")
    full, largest = ("churn", "full"), max((c for c in stats.cases("idle") if c.endswith("x2")), key=lambda c: int(c.split("x")[0]), default="")

    def best(where, family, key):
        return stats.best(*where, family, key)

    def values(measure, case, key):
        return list(stats.rounds(measure, case, "ours", key).values())

    return [
        of_ratio(stats, "Cold sync, wall, to two parallel curls", 1.1, sync, "wall_ms", "curl"),
        of_ratio(stats, "Cold sync, CPU, to client-go", 0.3, sync, "cpu_s", best(sync, "client-go", "cpu_s")),
        of_ratio(stats, "Cold sync, CPU, to controller-runtime", 0.2, sync, "cpu_s", best(sync, "controller-runtime", "cpu_s")),
        of_ratio(stats, "Resident memory, to client-go as it runs", 0.06, sync, "rss_kb", best(sync, "client-go", "rss_kb")),
        of_value(stats, "Resident memory", 35, "MB", values(*sync, "rss_kb"), 1000 / 1.024),
        peak(stats, sync),
        of_value(stats, "CPU per watch event", 60, "µs", values(*full, "cpu_us")),
        of_ratio(stats, "... to client-go", 0.25, full, "cpu_us", "client-go"),
        of_ratio(stats, "... to controller-runtime", 0.2, full, "cpu_us", "controller-runtime"),
        of_ratio(stats, "... to kube-rs", 0.5, full, "cpu_us", "kube-rs"),
        of_value(stats, "Idle member cluster, 2 watches", 60, "kB", list(stats.per_cluster("idle", 2, "ours").values()), 1 / 1.024),
        idle_ratio(stats, 0.2),
        of_value(stats, f"Memory with {largest.split('x')[0]} clusters, 2 watches", 80, "MB", values("idle", largest, "rss_kb"), 1000 / 1.024),
        of_value(stats, "Threads", 1, "", values("idle", largest, "threads")),
    ]


def table(stats):
    lines = ["| measure | target | median | worst round | |", "|---|---|---|---|---|"]
    for label, target, bound, got, form in rows(stats):
        if got is None:
            lines.append(f"| {label} | {target} | | | not measured |")
            continue
        off = got[1] / bound - 1
        verdict = "met" if off <= 0 else f"**missed** by {100 * off:.0f}%" if off < 1 else f"**missed**: {1 + off:.1f} times the target"
        lines.append(f"| {label} | {target.strip()} | {form.format(got[0]).strip()} | {form.format(got[1]).strip()} | {verdict} |")
    return lines


def losses(stats):
    """What a peer does better than we do, by median, whatever the target."""
    out, labels = [], {p.name: p.label for p in stats.peers}
    keys = {
        ("sync", "wall_ms"): "cold sync, wall", ("sync", "cpu_s"): "cold sync, CPU", ("sync", "server_s"): "cold sync, CPU of the server",
        ("sync", "rss_kb"): "memory with all objects", ("churn", "cpu_us"): "CPU per event", ("churn", "server_us"): "CPU of the server per write",
        ("react", "p50_us"): "reaction, median", ("react", "p99_us"): "reaction, 99th percentile", ("start", "first_ms"): "start to first request",
        ("idle", "wall_ms"): "start of a fleet, wall", ("idle", "cpu_s"): "start of a fleet, CPU", ("idle", "rss_kb"): "memory of a fleet",
        ("idle", "idle_us_s"): "CPU of an idle fleet",
    }
    for (measure, key), label in keys.items():
        for case in stats.cases(measure):
            for family in FAMILIES:
                name = stats.best(measure, case, family, key)
                got = stats.ratio(measure, case, key, name) if name else None
                if got and got[0] > 1.05:
                    where = f" ({case})" if case and measure in ("churn", "idle") else ""
                    out.append(f"- {label}{where}: {got[0]:.2f} x {labels[name]} (worst round {got[1]:.2f} x)")
    return out
