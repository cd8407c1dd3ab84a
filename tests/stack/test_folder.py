"""The folder `.stack`: private, locked, with ports that stay."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from fluentpro.stack.errors import StackError
from fluentpro.stack.folder import PORTS, Folder, forget_dead, free_port, is_free

HOLD = """
import sys
from pathlib import Path
from fluentpro.stack.folder import Folder
with Folder(Path(sys.argv[1])).locked():
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    made = Folder(tmp_path / ".stack")
    made.make()
    return made


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_the_folder_and_what_is_in_it_are_for_their_owner_alone(folder: Folder) -> None:
    folder.write("deep/secret", "a")
    folder.password("password")
    folder.log("server")
    assert mode(folder.path) == 0o700
    for path in folder.path.rglob("*"):
        assert mode(path) == (0o700 if path.is_dir() else 0o600), path


def test_a_folder_that_others_could_enter_is_closed(folder: Folder) -> None:
    folder.path.chmod(0o755)
    folder.make()
    assert mode(folder.path) == 0o700


def test_a_password_is_made_once(folder: Folder) -> None:
    first = folder.password("password")
    assert len(first) >= 32
    assert folder.password("password") == first != folder.password("other")


def test_a_file_that_is_not_there_reads_as_empty(folder: Folder) -> None:
    assert folder.read("nothing") == ""


def test_a_log_begins_empty_and_the_last_one_is_kept(folder: Folder) -> None:
    folder.log("server").write_text("first")
    folder.log("server").write_text("second")
    log = folder.log("server")
    assert log.read_text() == ""
    assert log.with_suffix(".log.1").read_text() == "second"


def test_one_process_has_the_folder_at_a_time(folder: Folder) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout
        assert other.stdout.readline() == "held\n"
        with (
            pytest.raises(StackError, match=f"the stack runs already: process {other.pid} has it"),
            folder.locked(),
        ):
            pass
        other.communicate()
    with folder.locked():
        pass


def test_a_killed_process_leaves_no_lock_behind(folder: Folder) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout
        other.stdout.readline()
        other.kill()
    with folder.locked():
        pass


def test_the_settings_of_a_stack_are_forgotten_once_nobody_holds_it(folder: Folder) -> None:
    settings = folder.write("settings.toml", "# here\n")
    with folder.locked():
        assert folder.holder() == str(os.getpid())
        forget_dead(folder.path.parent)
        assert settings.exists()
    command = [sys.executable, "-c", HOLD, str(folder.path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout
        assert other.stdout.readline() == "held\n"
        assert folder.holder() == str(other.pid)
        forget_dead(folder.path.parent)
        assert settings.exists()
        other.kill()
    assert folder.holder() == ""
    forget_dead(folder.path.parent)
    assert not settings.exists()
    forget_dead(folder.path.parent)


def test_one_process_does_not_take_the_folder_twice(folder: Folder) -> None:
    with folder.locked():
        with pytest.raises(StackError, match="runs already"), folder.locked():
            pass
        assert folder.read("lock")
    with folder.locked():
        pass


def test_a_port_stays_while_it_is_free_and_moves_when_it_is_not(folder: Folder) -> None:
    port = folder.port("server")
    assert PORTS[0] <= port <= PORTS[1]
    assert folder.port("server") == port
    with closing(socket.create_server(("127.0.0.1", port))):
        assert not is_free(port)
        moved = folder.port("server")
    assert moved != port
    assert folder.port("server") == moved


def test_two_servers_have_two_ports(folder: Folder) -> None:
    assert folder.port("one") != folder.port("two")
    assert free_port(avoid=frozenset({1})) > 1


def test_clearing_leaves_the_lock(folder: Folder) -> None:
    folder.write("deep/file", "a")
    folder.write("file", "a")
    with folder.locked():
        folder.clear()
        assert [path.name for path in folder.path.iterdir()] == ["lock"]
