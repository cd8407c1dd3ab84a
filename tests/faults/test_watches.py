"""Fault 7: the kernel gives no watches."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from functools import cache

import pytest

from fluentpro.config.watch import AGAIN
from tests.conftest import Launch
from tests.support.project import Project
from tests.support.server import Server
from tests.support.waiting import eventually

NAMESPACE = ("unshare", "--user", "--map-root-user")
"""A user namespace of its own has limits of its own: nobody else runs out of watches."""


@cache
def reason() -> str:
    """Why there can be no such namespace; empty if there can."""
    command = [*NAMESPACE, "sh", "-c", "echo 128 > /proc/sys/user/max_inotify_instances"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return "there is no unshare here"
    return done.stderr.strip() if done.returncode else ""


pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(bool(reason()), reason=f"no user namespace to exhaust: {reason()}"),
]


@pytest.fixture
def exhausted(project: Project, launch: Launch) -> Callable[[str], Server]:
    """Starts the server where a kind of inotify's resources is used up."""

    def start(kind: str) -> Server:
        shell = f'echo 0 > /proc/sys/user/{kind} && exec "$0" "$@"'
        return launch(launcher=(*NAMESPACE, "sh", "-c", shell))

    return start


@pytest.mark.parametrize("kind", ["max_inotify_instances", "max_inotify_watches"])
def test_without_watches_changes_are_found_by_polling_and_a_warning_says_so(
    kind: str, exhausted: Callable[[str], Server]
) -> None:
    """Fault 7."""
    server = exhausted(kind)
    assert server.get("/health/ready").json() == {"status": "warn"}
    source = server.check("config-source")
    assert (source["status"], source["observation"]) == (
        "warn",
        "no file watches: changes are found by polling",
    )
    for count in range(2):
        server.project.set("site.banner", f"polled {count}")
        eventually(lambda banner=f"polled {count}": server.serves(banner))
    warnings = server.events("config.watch_polling", level="warning")
    assert len(warnings) == server.workers
    assert all("watch limit" in line["cause"] or "open files" in line["cause"] for line in warnings)


def test_the_watch_comes_back_when_the_kernel_has_watches_again(exhausted: Callable[[str], Server]) -> None:
    """Fault 7."""
    server = exhausted("max_inotify_instances")
    enter = ["nsenter", "--target", str(server.process.pid), "--user", "--preserve-credentials"]
    give = "echo 128 > /proc/sys/user/max_inotify_instances"
    subprocess.run([*enter, "sh", "-c", give], check=True)
    eventually(
        lambda: len(server.events("config.watch_mended")) == server.workers, within=2 * AGAIN + 5, every=0.1
    )
    assert server.check("config-source")["status"] == "pass"
    eventually(lambda: server.get("/health/ready").json() == {"status": "pass"})
