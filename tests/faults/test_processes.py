"""Faults 31 to 33: processes that end while the configuration changes."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import threading
from contextlib import closing
from pathlib import Path

import pytest

from tests.conftest import Launch
from tests.support.project import SETTINGS, Project, changed
from tests.support.server import Server
from tests.support.traffic import readers_at_work, traffic
from tests.support.waiting import eventually

pytestmark = pytest.mark.faults


def kill_one(server: Server) -> None:
    """End a worker as the kernel does when memory is short, and wait for its replacement."""
    before = server.children()
    os.kill(min(before), signal.SIGKILL)
    eventually(lambda: len(server.children()) == server.workers and server.children() != before)


def replaced(server: Server, old: set[int]) -> None:
    """Wait until new workers have taken the place of all the old ones."""
    eventually(lambda: len(server.children()) == server.workers and not server.children() & old, within=30)


def test_a_worker_killed_in_the_middle_of_a_reload_is_replaced_on_the_current_configuration(
    server: Server,
) -> None:
    """Fault 31."""
    for count in range(3):
        before = server.children()
        server.project.set("site.banner", f"killed {count}")
        os.kill(min(before), signal.SIGKILL)
        eventually(lambda banner=f"killed {count}": server.serves(banner))


def test_a_replacement_starts_on_the_last_good_configuration_while_a_file_is_broken(
    project: Project, launch: Launch
) -> None:
    """Fault 31: a good change, then a broken one, then the kill; Django has the good one too."""
    server = launch(FLUENTPRO_LOGGING__LEVEL="DEBUG")
    text = changed(project.read(), "site.banner", "good")
    project.replace(SETTINGS, changed(text, "django.allowed_hosts", ["127.0.0.1", "good.example"]))
    eventually(lambda: server.serves("good"))
    eventually(lambda: server.events("config.followed", pid=server.process.pid))
    kept = server.agreed()
    project.break_off()
    eventually(lambda: server.refuses(kept, "CFG105"))
    for _ in range(2):  # both workers are replaced, one after the other
        kill_one(server)
        eventually(lambda: server.agreed() == kept)
    assert server.get("/api/v1/about", {"Host": "good.example"}).json()["banner"] == "good"
    eventually(lambda: server.get("/health/ready").json() == {"status": "warn"})
    project.restore()
    eventually(lambda: server.successful() and server.agreed() != kept)


def test_a_replacement_uses_the_database_of_now(project: Project, launch: Launch) -> None:
    """Fault 31: what the master looked at for a check must not become what its children start with."""
    server = launch(FLUENTPRO_LOGGING__LEVEL="DEBUG")
    shutil.copy(project.root / "testing.sqlite3", project.root / "moved.sqlite3")
    project.set("database.name", "moved.sqlite3")
    before = server.agreed()
    eventually(lambda: server.agreed() not in ("", before))
    eventually(lambda: server.events("config.followed", pid=server.process.pid))
    for name in ("testing.sqlite3", "testing.sqlite3-wal", "testing.sqlite3-shm"):
        (project.root / name).unlink(missing_ok=True)
    kill_one(server)
    eventually(server.agreed)
    eventually(lambda: server.check("migrations")["status"] == "pass")
    with closing(sqlite3.connect(project.root / "moved.sqlite3")) as moved:
        moved.execute("DROP TABLE django_session")
        moved.commit()
    session = {"Cookie": f"sessionid={'s' * 32}"}
    for _ in range(10):  # whichever worker answers
        assert server.get("/admin/", session).status_code == 500
    assert not (project.root / "testing.sqlite3").exists()


def test_a_replacement_lists_what_only_the_master_can_take_up(project: Project, launch: Launch) -> None:
    """Fault 31: its Django is new, and the sockets, threads and timeouts are the master's."""
    server = launch(workers=1)
    text = changed(project.read(), "server.threads", 3)
    project.replace(SETTINGS, changed(text, "django.language_code", "de"))
    eventually(lambda: len(server.check("config-source")["pending_restart"]) == 2)
    kill_one(server)
    eventually(lambda: server.check("config-source")["pending_restart"] == ["server.threads"])


def test_hangup_with_a_broken_configuration_goes_on_serving(project: Project, launch: Launch) -> None:
    """Fault 32."""
    server = launch()
    kept, old = server.agreed(), server.children()
    with traffic(server) as seen:
        for spoil in (project.break_off, project.remove):
            spoil()
            server.signal(signal.SIGHUP)
            replaced(server, old)
            eventually(lambda: server.agreed() == kept)
            seen.grows()
            old = server.children()
            project.restore()
            eventually(server.successful)
    assert len(seen.values("banner")) == 1
    refused = server.events("config.refused", trigger="SIGHUP")
    assert {line["pid"] for line in refused} == {server.process.pid}
    assert server.process.poll() is None


def test_hangup_takes_up_the_servers_own_settings_and_no_request_fails(
    project: Project, launch: Launch
) -> None:
    """Fault 32: the old workers serve until the new ones do."""
    server = launch()
    text = changed(changed(project.local, "server.workers", 3), "server.threads", 3)
    with traffic(server, readers=4) as seen:
        project.replace("settings.local.toml", text)
        eventually(
            lambda: (
                set(server.check("config-source")["pending_restart"]) == {"server.workers", "server.threads"}
            )
        )
        server.signal(signal.SIGHUP)
        eventually(lambda: len(server.children()) == 3 and sum(server.digests().values()) == 3)
        seen.grows()
    assert server.check("config-source")["pending_restart"] == []


def test_hangup_with_an_address_that_is_taken_keeps_the_one_it_has(project: Project, launch: Launch) -> None:
    """Fault 32: gunicorn alone would end."""
    server = launch()
    old, port = server.children(), server.port
    with closing(socket.socket()) as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        project.set("server.port", taken, "settings.local.toml")
        with traffic(server) as seen:
            eventually(lambda: server.check("config-source")["pending_restart"] == ["server.port"])
            server.signal(signal.SIGHUP)
            replaced(server, old)
            eventually(server.agreed)
            seen.grows()
        assert len(server.events("server.address_kept")) == 1
        assert server.check("config-source")["pending_restart"] == ["server.port"]
    server.signal(signal.SIGHUP)
    server.port = taken
    eventually(lambda: server.check("config-source")["pending_restart"] == [])
    server.port = port
    eventually(server.is_shut)


def test_workers_that_cannot_start_do_not_end_those_that_serve(project: Project, launch: Launch) -> None:
    """Fault 32: the master has no file handles left to give them."""
    server = launch()
    old = server.children()
    limit = ["prlimit", "--pid", str(server.process.pid)]
    with traffic(server) as seen:
        subprocess.run([*limit, "--nofile=16:4096"], check=True)
        server.signal(signal.SIGHUP)
        eventually(lambda: server.events("server.worker_failed"))
        seen.grows()
        assert old <= server.children()
        subprocess.run([*limit, "--nofile=4096:4096"], check=True)
        server.signal(signal.SIGHUP)
        replaced(server, old)
        eventually(server.agreed)
        seen.grows()


def test_a_stop_in_the_middle_of_reloads_is_clean(project: Project, launch: Launch) -> None:
    """Fault 33."""
    server = launch()
    stop = threading.Event()
    targets = [entry.readlink() for pid in server.children() for entry in Path(f"/proc/{pid}/fd").iterdir()]
    folders = {target.parent for target in targets if target.suffix == ".db"}

    def edit() -> None:
        count = 0
        while not stop.is_set():
            count += 1
            project.set("site.banner", f"edit {count}")
            stop.wait(0.005)

    children = server.children()
    with readers_at_work(edit, 1, stop):
        eventually(lambda: server.reloads("applied") > 10)
        server.signal(signal.SIGTERM)
        assert server.wait() == 0
    assert not [line for line in [*server.output, *server.errors] if "Traceback" in line or "panic" in line]
    assert not [line for line in server.lines() if line["level"] in ("error", "critical")]
    for pid in children:
        assert not Path(f"/proc/{pid}").exists()
    assert folders
    assert not any(folder.exists() for folder in folders), "nor do the metrics stay in memory"
