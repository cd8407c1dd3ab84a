"""Fault 36: the disk is full."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Launch
from tests.support.project import Project
from tests.support.traffic import traffic
from tests.support.waiting import eventually

pytestmark = pytest.mark.faults


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system with room for 256 KB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        pytest.skip("only root may mount a file system, and not in every container")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path) -> None:
    """Write until nothing more fits."""
    with (folder / "filler").open("wb", buffering=0) as file:
        for size in (65536, 4096, 1):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError:
                continue


def test_on_a_full_disk_changes_are_taken_up_and_workers_replaced(
    project: Project, launch: Launch, small_disk: Path
) -> None:
    """Fault 36: neither the log nor a temporary file can be written."""
    log = small_disk / "log"
    server = launch(launcher=("sh", "-c", f'exec "$@" >> {log} 2>&1', "sh"), TMPDIR=str(small_disk))
    fill(small_disk)
    size = log.stat().st_size
    with traffic(server) as seen:
        project.break_off()
        eventually(lambda: not server.successful())
        project.restore()
        project.set("site.banner", "on a full disk")
        eventually(lambda: server.serves("on a full disk") and server.successful())
        seen.grows()
    children = server.children()
    os.kill(min(children), signal.SIGKILL)
    eventually(lambda: server.children() != children and server.serves("on a full disk"), within=20)
    assert log.stat().st_size <= size + 4096, "nothing more could be logged"
    (small_disk / "filler").unlink()
    project.set("site.banner", "room again")
    eventually(lambda: "room again" in log.read_text())
    assert server.get("/health/live").status_code == 200
