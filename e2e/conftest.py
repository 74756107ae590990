# SPDX-License-Identifier: Apache-2.0
"""One lab for all tests, which run in the order of their files: each begins with the mesh "shop" over c1 and c2 and leaves it so."""
import os
import sys
import tempfile

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "lib"))

from lab import LAB, run  # noqa: E402
from system import Controller, System  # noqa: E402

CLUSTERS = ["c1", "c2", "c3"]
NOTES = []  # what tests measured


@pytest.fixture(scope="session")
def system():
    reuse, keep = os.environ.get("REUSE"), os.environ.get("KEEP")
    if not reuse:
        run(LAB, "up", *CLUSTERS, timeout=300)
    with tempfile.TemporaryDirectory(prefix="meshwright-e2e.") as folder:
        s = System(CLUSTERS, folder)
        try:
            if not reuse:
                s.prepare()
            yield s
        finally:
            s.close()
            if not reuse and not keep:
                run(LAB, "down")


@pytest.fixture(scope="module")
def fleet(system):
    """The controller runs, and there is no resource yet."""
    system.ensure()
    system.clear()
    yield system
    for cluster in system.all:
        run(LAB, "network", cluster, "lan")


@pytest.fixture
def shop(system):
    """The system, with the mesh over c1 and c2 being Ready."""
    system.ready(45)
    return system


@pytest.fixture
def controller(system):
    """The controller outside the cluster, the one inside being away meanwhile."""
    system.scale(0)
    c = Controller(system)
    yield c
    c.stop()
    system.scale(1)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    system = item.funcargs.get("system") or item.funcargs.get("shop") if hasattr(item, "funcargs") else None
    if report.failed and system:
        try:
            report.sections.append(("conditions", system.why()))
            report.sections.append(("controller", system.controller_log()))
        except Exception as e:  # the report of the failure matters more
            report.sections.append(("conditions", f"cannot be read: {e}"))


@pytest.fixture
def note(request):
    """note(text): a line of the summary, beside the name of the test."""
    return lambda text: NOTES.append(f"{request.node.name}: {text}")


def pytest_terminal_summary(terminalreporter):
    if NOTES:
        terminalreporter.section("measured")
        for line in NOTES:
            terminalreporter.write_line(line)
