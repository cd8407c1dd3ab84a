"""The processes: they end with us, are found again by what they are, and PostgreSQL's is never root."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from fluentpro.stack import launch, process
from fluentpro.stack.errors import StackError
from fluentpro.stack.folder import Folder
from fluentpro.stack.process import Nursery
from tests.support.waiting import eventually

SLEEP = (sys.executable, "-I", "-S", "-c", "import time; time.sleep(60)")
DEAF = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("deaf", flush=True)
time.sleep(60)
"""
BECOME = """
import importlib.util, os, pwd, sys
from pathlib import Path
spec = importlib.util.spec_from_file_location("launch", sys.argv[1])
launch = importlib.util.module_from_spec(spec)
spec.loader.exec_module(launch)
launch.become(pwd.getpwnam("nobody"), Path(sys.argv[2]))
print(os.geteuid(), os.access(sys.argv[2], os.W_OK))
"""

only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become somebody else")
only_linux = pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux tells a child of its parent's end"
)


@pytest.fixture
def nursery() -> Iterator[Nursery]:
    made = Nursery()
    yield made
    made.close()


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    made = Folder(tmp_path / ".stack")
    made.make()
    return made


@pytest.fixture
def log(folder: Folder) -> Path:
    return folder.log("server")


@only_linux
def test_a_server_ends_when_the_nursery_does(log: Path) -> None:
    nursery = Nursery()
    awake = (sys.executable, "-I", "-S", "-c", "import time; print('awake', flush=True); time.sleep(60)")
    child = nursery.spawn(awake, log, stop=signal.SIGTERM)
    eventually(lambda: "awake" in log.read_text())
    nursery.close()
    assert child.wait(10) == -signal.SIGTERM


@only_linux
def test_a_server_never_begins_when_the_nursery_is_done_already(log: Path) -> None:
    nursery = Nursery()
    child = nursery.spawn(SLEEP, log, stop=signal.SIGTERM)
    nursery.close()
    assert child.wait(10) in (-signal.SIGTERM, launch.CANNOT_RUN)


def test_a_server_outlives_the_thread_that_asked_for_it(nursery: Nursery, log: Path) -> None:
    children: list[subprocess.Popen[bytes]] = []
    thread = threading.Thread(target=lambda: children.append(nursery.spawn(SLEEP, log, stop=signal.SIGTERM)))
    thread.start()
    thread.join()
    with pytest.raises(subprocess.TimeoutExpired):
        children[0].wait(0.3)
    process.stop(children[0], signal.SIGTERM, 10)


def test_a_server_gets_none_of_our_variables(
    nursery: Nursery, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLUENTPRO_DJANGO__SECRET_KEY", "canary")
    show = (sys.executable, "-I", "-S", "-c", "import os; print(sorted(os.environ))")
    process.run(nursery.spawn(show, log, stop=signal.SIGTERM), log, "showing", 10)
    assert "PATH" in log.read_text()
    assert "FLUENTPRO" not in log.read_text()


def test_a_server_that_does_not_listen_is_killed(nursery: Nursery, log: Path) -> None:
    child = nursery.spawn((sys.executable, "-I", "-S", "-c", DEAF), log, stop=signal.SIGTERM)
    eventually(lambda: "deaf" in log.read_text())
    process.stop(child, signal.SIGTERM, 0.1)
    assert child.returncode == -signal.SIGKILL


def test_a_child_of_somebody_else_does_not_begin(log: Path) -> None:
    command = [sys.executable, "-I", "-S", launch.__file__, "15", "1", "1", "-", "/bin/true"]
    assert subprocess.run(command, check=False).returncode == launch.CANNOT_RUN


def test_a_program_that_is_not_there_is_named(nursery: Nursery, log: Path) -> None:
    child = nursery.spawn(("/no/such/program",), log, stop=signal.SIGTERM)
    with pytest.raises(StackError, match=r"(?s)starting failed.*can't run /no/such/program"):
        process.run(child, log, "starting", 10)


def test_a_program_that_takes_too_long_is_ended(nursery: Nursery, log: Path) -> None:
    child = nursery.spawn(SLEEP, log, stop=signal.SIGTERM)
    with pytest.raises(StackError, match=r"sleeping took longer than 0\.1 s"):
        process.run(child, log, "sleeping", 0.1)
    assert child.returncode == -signal.SIGKILL


def test_a_server_left_over_is_found_and_ended(nursery: Nursery, folder: Folder, log: Path) -> None:
    child = nursery.spawn((*SLEEP, folder.path / "server"), log, stop=signal.SIGTERM)
    process.record(folder, "server", child.pid)
    assert process.end_left_over(folder, "server", signal.SIGTERM, 10)
    assert child.poll() is not None


def test_a_pid_that_is_somebody_elses_by_now_is_left_alone(
    nursery: Nursery, folder: Folder, log: Path
) -> None:
    child = nursery.spawn(SLEEP, log, stop=signal.SIGTERM)
    process.record(folder, "server", child.pid)
    assert not process.end_left_over(folder, "server", signal.SIGTERM, 10)
    assert child.poll() is None
    process.stop(child, signal.SIGTERM, 10)
    assert not process.end_left_over(folder, "server", signal.SIGTERM, 10)


@only_root
def test_what_refuses_to_be_root_is_not_root(nursery: Nursery, folder: Folder, log: Path) -> None:
    owned = folder.path / "owned"
    owned.mkdir()
    show = (
        sys.executable,
        "-I",
        "-S",
        "-c",
        f"import os; print(os.geteuid()); open({str(owned / 'a')!r}, 'w')",
    )
    process.run(nursery.spawn(show, log, stop=signal.SIGTERM, owned=owned), log, "showing", 10)
    assert log.read_text().strip() not in {"", "0"}


@only_root
def test_where_there_are_no_namespaces_root_becomes_nobody(tmp_path: Path) -> None:
    owned = tmp_path / ".stack" / "owned"
    owned.mkdir(parents=True)
    (owned / "file").touch()
    become = [sys.executable, "-I", "-c", BECOME, launch.__file__, str(owned)]
    refused = subprocess.run(become, capture_output=True, text=True, check=False)
    assert refused.returncode == 1, "the folders of tests are root's alone"
    assert "the user nobody, who runs PostgreSQL for root, can't reach" in refused.stderr
    for parent in (tmp_path, *tmp_path.parents):
        if not parent.stat().st_mode & 0o001:
            parent.chmod(0o711)
    done = subprocess.run(become, capture_output=True, text=True, check=True)
    assert done.stdout == "65534 True\n"
    assert (owned / "file").stat().st_uid == 65534
    assert (tmp_path / ".stack").stat().st_mode & 0o777 == 0o711
