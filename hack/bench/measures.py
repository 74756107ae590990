# SPDX-License-Identifier: Apache-2.0
"""What is measured: each function yields (case, peer's name, values) for one round."""
import os
import signal
import socket
import statistics
import subprocess
import time

import json

from peers import BIN, Failed, Running
from servers import NAMESPACE, load

PROTO = "Accept: application/vnd.kubernetes.protobuf"
LISTS = ("/api/v1/services?resourceVersion=0", "/apis/discovery.k8s.io/v1/endpointslices?resourceVersion=0")
# The strongest setting of each peer for what comes after the first list.
ONE_EACH = ("ours", "client-go", "controller-runtime", "kube-rs")


def chosen(peers, names=ONE_EACH):
    return [p for p in peers if p.name in names]


def floor(server):
    """Two curls at once that throw the lists away: what any client waits for."""
    before, begin = server.cpu(), time.monotonic()
    curls = [subprocess.Popen(list(map(str, server.curl(p, "-o", "/dev/null", "-H", PROTO)))) for p in LISTS]
    used = 0.0
    for c in curls:
        _, code, usage = os.wait4(c.pid, 0)
        c.returncode = os.waitstatus_to_exitcode(code)
        if c.returncode:
            raise Failed("curl failed")
        used += usage.ru_utime + usage.ru_stime
    return {"wall_ms": (time.monotonic() - begin) * 1e3, "cpu_s": used, "server_s": server.cpu() - before}


def sync(config, peers, server):
    """Cold start to synced caches, and what they hold then."""
    yield config.objects, "curl", floor(server)
    for peer in peers:
        time.sleep(1)
        before = server.cpu()
        with Running(peer, ["sync"], server.kubeconfig) as p:
            synced, ready = p.ready()
            values = {"wall_ms": synced["wall_ms"], "ready_ms": ready["wall_ms"], "cpu_s": ready["cpu_s"], "server_s": server.cpu() - before}
            values |= {"objects": ready["objects"]}
            time.sleep(1)
            mark = p.ask("mark")
            values |= {"rss_kb": mark["rss_kb"], "hwm_kb": mark["hwm_kb"], "threads": mark["threads"], "freed_kb": p.ask("freed")["rss_kb"]}
        yield config.objects, peer.name, values


def churn_phase(p, server, config, seconds, rate):
    before, begin = server.cpu(), p.ask("mark")
    wrote = json.loads(load("churn", config.objects, seconds, rate, kubeconfig=server.kubeconfig))
    time.sleep(0.3)
    end = p.ask("mark")
    seen = end["events"] - begin["events"]
    if abs(seen - wrote["writes"]) > 5 + wrote["writes"] // 50:
        raise Failed(f"{p.peer.name} saw {seen} events of {wrote['writes']} writes")
    return {
        "cpu_us": (end["cpu_s"] - begin["cpu_s"]) * 1e6 / max(1, seen), "events": seen, "rate": wrote["writes"] / wrote["seconds"],
        "server_us": (server.cpu() - before) * 1e6 / wrote["writes"], "rss_kb": end["rss_kb"],
    }


def churn(config, peers, server):
    """CPU time for each event of a watch: at the server's full speed, and at 200 writes a second."""
    for peer in chosen(peers):
        with Running(peer, ["sync"], server.kubeconfig) as p:
            p.ready()
            time.sleep(1.5)
            yield "full", peer.name, churn_phase(p, server, config, config.churn_s, 0)
            yield "paced", peer.name, churn_phase(p, server, config, config.paced_s, 200)


def idle_once(peer, folder, watches, seconds, server):
    with Running(peer, ["idle", folder, watches, NAMESPACE]) as p:
        synced = p.wait("synced", 400)
        time.sleep(1.5)
        a, before = p.ask("mark"), server.cpu()
        time.sleep(seconds)
        b = p.ask("mark")
        return {
            "wall_ms": synced["wall_ms"], "cpu_s": synced["cpu_s"], "rss_kb": b["rss_kb"], "hwm_kb": b["hwm_kb"], "threads": b["threads"],
            "idle_us_s": (b["cpu_s"] - a["cpu_s"]) * 1e6 / seconds, "server_us_s": (server.cpu() - before) * 1e6 / seconds,
            "freed_kb": p.ask("freed")["rss_kb"], "objects": synced["objects"],
        }


def idle(config, peers, server):
    """Many clusters in which nothing happens, each with connections of its own."""
    load("small", NAMESPACE, 5, server.kubeconfig)
    for watches in (2, 6):
        for n in config.clusters:
            for peer in chosen(peers):
                yield f"{n}x{watches}", peer.name, idle_once(peer, server.fleet(n), watches, config.idle_s, server)


def react_once(config, peer, server):
    d, out = server.dir, server.dir / "reaction.kubeconfig"
    command = [BIN / "reaction", server.kubeconfig, d / "server.crt", d / "server.key", "default", config.reactions, out]
    with subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, text=True) as proxy:
        try:
            proxy.stdout.readline()
            with Running(peer, ["react", "default"], out) as p:
                p.wait("synced", 60)
                time.sleep(1)
                proxy.send_signal(signal.SIGUSR1)
                said = json.loads(proxy.stdout.readline())
        finally:
            proxy.kill()
    times = sorted(said["us"])
    if said["missed"] or len(times) < 2:
        raise Failed(f"{peer.name} missed {said['missed']} events")
    return {"p50_us": statistics.median(times), "p99_us": times[int(len(times) * 0.99)], "n": len(times)}


def react(config, peers, server):
    """From the last byte of an event to the first byte of the write that answers it."""
    for peer in chosen(peers):
        yield "", peer.name, react_once(config, peer, server)


def first_request(peer, dir_):
    """Milliseconds from the start of the process to the first byte that it sends."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        kubeconfig = dir_ / "first.kubeconfig"
        text = (dir_ / "kubeconfig").read_text(encoding="utf-8")
        port = (dir_ / "ports").read_text(encoding="utf-8").split()[0]
        kubeconfig.write_text(text.replace(f":{port}", f":{listener.getsockname()[1]}"), encoding="utf-8")
        listener.settimeout(20)
        begin = time.monotonic()
        with Running(peer, ["sync"], kubeconfig):
            connection, _ = listener.accept()
            with connection:
                connection.settimeout(20)
                connection.recv(1)
                return (time.monotonic() - begin) * 1e3


def start(config, peers, server):
    """A process with nothing to keep: how soon it asks, and how large it is."""
    for peer in peers:
        values = {"first_ms": statistics.median(first_request(peer, server.dir) for _ in range(3))}
        with Running(peer, ["sync"], server.kubeconfig) as p:
            p.ready()
            time.sleep(0.5)
            values |= {"rss_kb": p.ask("mark")["rss_kb"], "freed_kb": p.ask("freed")["rss_kb"]}
        yield "", peer.name, values


BIG, SMALL = ("sync", "churn"), ("start", "react", "idle")
ALL = {"sync": sync, "churn": churn, "start": start, "react": react, "idle": idle}
