# SPDX-License-Identifier: Apache-2.0
"""The controller dies after every k-th write of an install: the same end state each time, and nothing left after each deletion."""
import pytest
from lab import LAB, run, until
from owned import difference, nothing_left, state
from system import ISTIO, NS

NAMES = "c1", "c2"


def empty(system):
    """Nothing with our label in either cluster, of any kind, and no istio-system."""
    return all(nothing_left(system.all[n]) == [] and system.all[n].get(ISTIO) is None for n in NAMES)


def gone(system):
    system.delete_mesh()
    until(40, "nothing is left in c1 and c2", lambda: empty(system))


def states(system):
    return {n: state(system.all[n]) for n in NAMES}


@pytest.fixture(scope="module")
def install(system):
    """What an undisturbed install of the process outside makes: {cluster: state}, and the number of its writes."""
    from system import Controller

    system.ready(45)
    for name, x in ("c1", "a"), ("c2", "b"):  # their Services stay: DNS entries belong to the install
        system.all[name].kubectl("delete", "deployment", "-n", "demo", f"endpoint-{x}", "--ignore-not-found", "--wait=false")
    gone(system)
    system.scale(0)
    controller = Controller(system)
    marks = system.marks()
    controller.start()
    system.resources()
    system.ready(60)
    system.quiet(2)
    writes, result = len(system.writes(marks)), states(system)
    gone(system)
    controller.stop()
    print(f"{writes} writes")
    yield controller, result, writes
    controller.stop()
    system.scale(1)
    system.resources()


def test_install_makes_everything(install):
    _, result, writes = install
    assert writes > 60 and all(len(s) > 30 for s in result.values()), (writes, {n: len(s) for n, s in result.items()})


# A death after every k-th write: small k hit many points, large ones the end, and no two share their multiples.
@pytest.mark.parametrize("k", [2, 3, 7, 13, 19, 29, 43, 61, 79])
def test_killed_after_every_kth_write(system, install, k):
    controller, wanted, writes = install
    assert k < writes, f"an install has only {writes} writes: choose a smaller k"
    system.resources()
    deaths = controller.crashing(k, lambda: system.is_ready(system.mesh()), 120)
    assert deaths >= 1, "it never died"
    print(f"{deaths} deaths")
    controller.start()
    system.ready(30)
    differs = {n: difference(wanted[n], s) for n, s in states(system).items()}
    assert differs == {n: [] for n in NAMES}, differs
    gone(system)
    controller.stop()


@pytest.mark.parametrize("k", [1, 5, 11])
def test_killed_after_every_kth_write_of_a_deletion(system, install, k):
    controller, _, _ = install
    controller.start()
    system.resources()
    system.ready(60)
    controller.stop()
    system.hub.kubectl("delete", "mesh", "shop", "-n", NS, "--wait=false")
    deaths = controller.crashing(k, lambda: system.mesh() is None, 120)
    assert deaths >= 1, "it never died"
    until(40, "nothing is left", lambda: empty(system))


def test_a_cluster_that_is_gone_does_not_hold_a_deletion_for_ever(system, install):
    controller, _, _ = install
    controller.start("--cleanup-grace", "5")
    system.resources()
    system.ready(60)
    run(LAB, "cut", "c2")
    try:
        system.hub.kubectl("delete", "mesh", "shop", "-n", NS, "--wait=false")
        # what c1 has of its own waits until c2's way to it is gone, or c2 is known to be away: 45 s at most
        until(75, "c1 is emptied meanwhile", lambda: system.all["c1"].get(ISTIO) is None)
        until(60, "c2 is given up", lambda: system.mesh() is None)
        events = system.hub.list(f"/api/v1/namespaces/{NS}/events")
        assert [e for e in events if e["reason"] == "LeftBehind"], "nobody was told"
    finally:
        run(LAB, "heal", "c2")
    # the next mesh of the name takes up what was left
    until(60, "c2 is back", lambda: system.is_ready(system.member("c2")))
    system.resources()
    system.ready(60)
    gone(system)
    controller.stop()
