# SPDX-License-Identifier: Apache-2.0
"""From one topology to another by applying its resources, while requests go on: how many of them are lost is told, not forbidden."""
import time

import pytest
from lab import LAB, run, until
from system import API
from topology import Topology, failures


@pytest.fixture(scope="module")
def start(fleet, request):
    with Topology(fleet, request.param).running() as t:
        yield t


def moved(start, change, to, note):
    """Makes the change while requests go on, and waits until `to` is Ready and answers."""
    with start.traffic(strict=False) as flows:
        begin = time.monotonic()
        change()
        to.ready(90)
        ready = time.monotonic() - begin
        until(60, "all that must succeed does", lambda: not to.complaints())
        time.sleep(5)
    note(f"Ready after {ready:.1f} s, {failures(flows)}")


def there_and_back(start, name, note):
    to = Topology(start.system, name)
    moved(start, to.apply, to, note)
    moved(start, start.apply, start, note)
    start.check()


@pytest.mark.parametrize("start", ["2b"], indirect=True)
def test_a_primary_becomes_a_remote_and_is_promoted_again(start, note):
    there_and_back(start, "2", note)


@pytest.mark.parametrize("start", ["2b"], indirect=True)
def test_a_cluster_moves_to_another_network_and_back(start, note):
    def network(name):
        start.system.hub.patch(f"{API}/memberclusters/c2", {"spec": {"network": name}})

    moved(start, lambda: network("dc1"), start, note)
    # by gateways now: pods need not reach each other any more
    run(LAB, "network", "c2", "dc1")
    until(30, "answers by the gateways", lambda: not start.complaints())
    run(LAB, "network", "c2", "lan")
    moved(start, lambda: network("lan"), start, note)
    until(60, "the gateways are gone", lambda: not start.services())
    start.check()


@pytest.mark.parametrize("start", ["3"], indirect=True)
def test_two_meshes_move_to_two_networks_and_back(start, note):
    there_and_back(start, "4", note)
