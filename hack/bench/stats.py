# SPDX-License-Identifier: Apache-2.0
"""Medians, worst rounds and ratios of results. Of every figure here less is better."""
from statistics import median

FAMILIES = ("client-go", "controller-runtime", "kube-rs")


class Stats:
    """What the runs of a results file say."""

    def __init__(self, data, peers):
        self.data, self.peers, self.table = data, peers, {}
        for r in data["runs"]:
            for key, value in r["values"].items():
                self.table.setdefault((r["measure"], r["case"], r["peer"], key), {})[r["round"]] = value

    def rounds(self, measure, case, peer, key):
        """{round: value}, empty when it was not measured."""
        return self.table.get((measure, str(case), peer, key), {})

    def median(self, *what):
        values = self.rounds(*what).values()
        return median(values) if values else None

    def worst(self, *what):
        values = self.rounds(*what).values()
        return max(values) if values else None

    def cases(self, measure):
        return list(dict.fromkeys(r["case"] for r in self.data["runs"] if r["measure"] == measure))

    def rounds_of(self, measure):
        return len({r["round"] for r in self.data["runs"] if r["measure"] == measure})

    def best(self, measure, case, family, key):
        """The setting of a peer that does best by median."""
        names = [p.name for p in self.peers if p.family == family and self.rounds(measure, case, p.name, key)]
        return min(names, key=lambda n: self.median(measure, case, n, key), default=None)

    def ratio(self, measure, case, key, other, other_key=None):
        """(median, worst) of ours to another peer's, round by round."""
        ours, theirs = self.rounds(measure, case, "ours", key), self.rounds(measure, case, other, other_key or key)
        ratios = [ours[i] / theirs[i] for i in ours if theirs.get(i)]
        return (median(ratios), max(ratios)) if ratios else None

    def per_cluster(self, measure, watches, peer, key="rss_kb"):
        """kB of each cluster: the slope between the smallest and the largest fleet, for each round."""
        sizes = sorted(int(c.split("x")[0]) for c in self.cases(measure) if c.endswith(f"x{watches}"))
        if len(sizes) < 2:
            return {}
        low, high = sizes[0], sizes[-1]
        a, b = (self.rounds(measure, f"{n}x{watches}", peer, key) for n in (low, high))
        return {i: (b[i] - a[i]) / (high - low) for i in b if i in a}
