"""The service over a longer time, and with the watch switched off."""

from __future__ import annotations

import os
import re
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from tests.conftest import Launch
from tests.support.project import Project
from tests.support.waiting import eventually

RELOADS = 200
GROWTH = 4_000
"""KiB by which a process may grow in that time: metrics keep a line for each digest."""


def resident(pid: int) -> int:
    """The memory of a process in KiB."""
    found = re.search(r"^VmRSS:\s+(\d+) kB$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    assert found
    return int(found[1])


def threads(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/task").iterdir()))


def handles(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def test_reloads_leave_neither_memory_nor_threads_nor_handles_behind(
    project: Project, launch: Launch
) -> None:
    project.set("server.threads", 1)  # a second one would come only when it is needed
    server = launch(workers=1)
    (worker,) = server.children()
    pids = (worker, server.process.pid)

    def reload(times: int) -> None:
        for count in range(times):
            done = server.reloads("applied")
            project.set("site.banner", f"reload {time.monotonic_ns()}")
            if count % 10 == 0:
                project.set(
                    "django.csrf_trusted_origins", [f"https://{count}.example"]
                )  # makes a new handler
            eventually(lambda before=done: server.reloads("applied") > before, every=0.002)

    def fewest(count: Callable[[int], int]) -> list[int]:
        """Without what a request or a check holds for a moment."""
        return [min(count(pid) for _ in range(200)) for pid in pids]

    reload(50)
    before, memory = [fewest(threads), fewest(handles)], [resident(pid) for pid in pids]
    reload(RELOADS)
    assert [fewest(threads), fewest(handles)] == before
    for pid, was in zip(pids, memory, strict=True):
        assert resident(pid) - was < GROWTH


def test_with_the_watch_switched_off_changes_wait_for_a_hangup(project: Project, launch: Launch) -> None:
    project.set("reload.enabled", False)
    server = launch()
    kept = server.agreed()
    assert server.check("config-source")["observation"] == "changes wait for SIGHUP or a restart"
    assert server.get("/health/live").json() == {"status": "pass"}
    project.set("site.banner", "waits")
    old = server.children()
    os.kill(min(old), signal.SIGKILL)
    eventually(lambda: len(server.children()) == 2 and server.children() != old)
    eventually(lambda: server.agreed() == kept)
    server.signal(signal.SIGHUP)
    eventually(lambda: server.serves("waits"))
    (line,) = server.events("config.applied")
    assert (line["trigger"], line["pid"]) == ("SIGHUP", server.process.pid)


def listens(address: str) -> bool:
    """Whether this machine has an address of its own like that."""
    try:
        with closing(socket.socket(socket.AF_INET6)) as probe:
            probe.bind((address, 0))
    except OSError:
        return False
    return True


@pytest.mark.skipif(not listens("::1"), reason="there is no IPv6 here")
def test_it_can_listen_on_an_ipv6_address(project: Project, launch: Launch) -> None:
    project.set("server.host", "::1")
    server = launch(ready=False)
    answer = eventually(lambda: httpx.get(f"http://[::1]:{server.port}/health/live", trust_env=False))
    assert answer.json() == {"status": "pass"}


READY = """
import socket
from fluentpro.process import boot
from fluentpro.web.server import serve

def ready():
    socket.create_connection(("127.0.0.1", boot().config.server.port)).close()
    print('{"event": "told"}', flush=True)

boot()
serve(ready)
"""


def test_whoever_serves_is_told_when_connections_are_taken(project: Project, launch: Launch) -> None:
    # The command, which comes behind the launcher, is no more than an argument here.
    server = launch(workers=1, launcher=(sys.executable, "-c", READY))
    assert server.events("told")
