"""The stack's life: taken up where it was, whatever befell it in between."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import psutil
import psycopg
import pytest

from fluentpro.stack import wheels
from fluentpro.stack.errors import StackError
from fluentpro.stack.folder import Folder
from fluentpro.stack.stack import Progress, Running, Stack
from tests.support.stack import SECRETS

UP = """
import sys
from pathlib import Path
from fluentpro.stack.stack import Stack
with Stack(Path(sys.argv[1]), source=Path(sys.argv[2])).running(lambda step: print(step, flush=True)) as up:
    print(*(server.pid for server in up.servers), flush=True)
    sys.stdin.read()
"""
FORK = """
import os, sys
from pathlib import Path
from fluentpro.stack.stack import Stack
with Stack(Path(sys.argv[1]), source=Path(sys.argv[2])).running() as up:
    child = os.fork()
    if child == 0:
        sys.exit(7)  # as gunicorn's workers do, inside the block
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    print("child left with", status, flush=True)
    print("alive", *(server.alive for server in up.servers), flush=True)
"""
GRACE = 15.0


def lines(text: str) -> list[str]:
    return [line.split()[0] for line in text.splitlines()]


@contextmanager
def another_process(stack: Stack) -> Iterator[tuple[subprocess.Popen[str], list[psutil.Process]]]:
    """The stack, up in a process of its own; and the servers' processes."""
    with subprocess.Popen(
        [sys.executable, "-c", UP, str(stack.root), str(SECRETS)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout
        said = [process.stdout.readline() for _ in range(6)]
        yield process, [psutil.Process(int(pid)) for pid in said[-1].split()]
        process.kill()


def database_answers(stack: Running) -> bool:
    """Whether Vault makes a user that PostgreSQL takes."""
    made = stack.client().read("database/creds/fluentpro-development")["data"]
    with psycopg.connect(
        host="127.0.0.1",
        port=stack.postgresql.port,
        user=made["username"],
        password=made["password"],
        dbname="fluentpro",
    ) as connection:
        return connection.execute("SELECT current_user").fetchone() == ("fluentpro_owner",)


def static_user_answers(stack: Running) -> bool:
    made = stack.client().read("database/static-creds/fluentpro-development-static")["data"]
    with psycopg.connect(
        host="127.0.0.1",
        port=stack.postgresql.port,
        user="fluentpro_static",
        password=made["password"],
        dbname="fluentpro",
    ) as connection:
        return connection.execute("SELECT current_user").fetchone() == ("fluentpro_owner",)


def all_is_well(stack: Running) -> bool:
    return stack.dead == () and database_answers(stack) and static_user_answers(stack)


def test_it_is_taken_up_where_it_was_within_10_seconds(used: Stack) -> None:
    began, said = time.monotonic(), list[Progress]()
    with used.running(said.append) as up:
        assert time.monotonic() - began < 10
        assert up.valkey.ask("GET", "kept") == "$9"
        with up.postgresql.connect("fluentpro") as connection:
            assert connection.execute("SELECT word FROM kept").fetchone() == ("by-postgresql",)
        kept = up.client().read("kv/data/fluentpro/development/kept")["data"]["data"]
        assert kept == {"by": "openbao"}
        assert all_is_well(up)
        first = up.environ()
    assert sorted(step.subject for step in said[:3]) == ["OpenBao", "PostgreSQL", "Valkey"]
    assert str(said[3]) == "Bootstrap   17 items in OpenBao, 0 of them made or changed"
    assert [step.subject for step in said[4:]] == ["Stack", "OpenBao", "Valkey", "PostgreSQL"]
    with used.running() as up:
        assert up.environ() == first, "the ports and the logins stay"


def test_a_second_one_says_who_has_it(used: Stack) -> None:
    with another_process(used) as (other, _):
        with pytest.raises(StackError, match=f"runs already: process {other.pid}"), used.running():
            pass
        with pytest.raises(StackError, match="runs already"), used.running(reset=True):
            pass


def test_ctrl_c_stops_the_servers_in_order(used: Stack) -> None:
    with another_process(used) as (process, servers):
        os.killpg(process.pid, signal.SIGINT)
        said, _ = process.communicate(timeout=GRACE)
        assert lines(said) == ["OpenBao", "Valkey", "PostgreSQL"]
        assert not any(server.is_running() for server in servers)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the next run ends them")
def test_the_servers_end_with_a_process_that_is_killed(used: Stack) -> None:
    with another_process(used) as (process, servers):
        process.kill()
        _, alive = psutil.wait_procs(servers, GRACE)
        assert not alive
    with used.running() as up:
        assert all_is_well(up)


def work_for_ever(connection: psycopg.Connection[tuple[int]]) -> None:
    with suppress(psycopg.Error), connection:
        connection.execute("SELECT count(*) FROM generate_series(1, 1000000000000)")


def test_killed_servers_are_named_and_heal(used: Stack) -> None:
    with used.running() as up:
        busy = threading.Thread(target=work_for_ever, args=(up.postgresql.connect(),))
        busy.start()  # its session would outlive the server
        for server in up.servers:
            os.kill(server.pid, signal.SIGKILL)
            psutil.wait_procs([psutil.Process(server.pid)], GRACE)
        assert [server.title for server in up.dead] == ["PostgreSQL", "Valkey", "OpenBao"]
        up.start()
        busy.join(GRACE)
        assert not busy.is_alive()
        assert all_is_well(up)
        up.postgresql.kill()
        up.valkey.kill()
    with used.running() as up:
        assert all_is_well(up)


def test_a_server_left_over_gives_way(used: Stack, folder: Path) -> None:
    left = subprocess.Popen([wheels.valkey(), folder / "valkey" / "valkey.conf"], stdout=subprocess.DEVNULL)
    Folder(folder).write("valkey.pid", str(left.pid))
    with used.running() as up:
        assert left.wait(GRACE) is not None
        assert up.valkey.ask("GET", "kept") == "$9"


def test_a_postmaster_file_that_names_a_stranger_is_no_obstacle(used: Stack, folder: Path) -> None:
    (folder / "postgresql" / "postmaster.pid").write_text(f"{os.getpid()}\n")
    Folder(folder).write("postgresql.pid", str(os.getpid()))
    with used.running() as up:
        assert all_is_well(up)


def test_a_port_that_is_taken_now_moves(used: Stack) -> None:
    with used.running() as up:
        ports = [server.port for server in up.servers]
    with closing(socket.create_server(("127.0.0.1", ports[0]))), used.running() as up:
        assert up.postgresql.port != ports[0]
        assert [server.port for server in up.servers[1:]] == ports[1:]
        assert up.environ()["FLUENTPRO_DATABASE__PORT"] == str(up.postgresql.port)
        assert all_is_well(up), "Vault has followed"


def test_a_lost_database_is_made_anew_and_vault_learns_of_it(used: Stack, folder: Path) -> None:
    shutil.rmtree(folder / "postgresql")
    with used.running() as up:
        assert (up.postgresql.new, up.openbao.new) == (True, False)
        assert all_is_well(up)
        up.postgresql.create("fluentpro", "CREATE TABLE kept AS SELECT 'by-postgresql' AS word")


def test_a_vault_without_its_key_is_made_anew(used: Stack, folder: Path) -> None:
    with used.running() as up:
        orphan = up.client().read("database/creds/fluentpro-development")["data"]["username"]
    (folder / "openbao.keys").unlink()
    with used.running() as up:
        assert (up.postgresql.new, up.openbao.new) == (False, True)
        assert all_is_well(up)
        with up.postgresql.connect() as connection:
            query = "SELECT FROM pg_roles WHERE rolname = %s"
            assert connection.execute(query, (orphan,)).fetchone() is None
        up.client().write_data("kv/data/fluentpro/development/kept", data={"data": {"by": "openbao"}})


def test_a_wrong_key_is_said(used: Stack, folder: Path) -> None:
    keys = (folder / "openbao.keys").read_text()
    (folder / "openbao.keys").write_text('{"unseal": "' + "00" * 32 + '", "root": "none"}')
    with pytest.raises(StackError, match=r"can't be unsealed with the key kept for it"), used.running():
        pass
    (folder / "openbao.keys").write_text(keys)


def test_the_data_of_another_version_are_not_touched(used: Stack, folder: Path) -> None:
    version = folder / "postgresql" / "PG_VERSION"
    kept = version.read_text()
    version.write_text("9\n")
    with (
        pytest.raises(StackError, match="are of PostgreSQL 9, and this is PostgreSQL 18") as refused,
        used.running(),
    ):
        pass
    assert "fluentpro up --reset" in str(refused.value)
    version.write_text(kept)


def test_a_server_that_fails_shows_what_it_said(used: Stack, folder: Path) -> None:
    settings = folder / "postgresql" / "postgresql.conf"
    kept = settings.read_text()
    settings.write_text(f"{kept}\nnonsense = 1\n")
    with pytest.raises(StackError, match=r'(?s)PostgreSQL failed.*"nonsense"'), used.running():
        pass
    settings.write_text(kept)


def test_a_child_that_leaves_the_block_stops_nothing(used: Stack) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", FORK, str(used.root), str(SECRETS)], stdout=subprocess.PIPE, text=True
    ) as process:
        said, _ = process.communicate(timeout=GRACE)
    assert said.splitlines() == ["child left with 7", "alive True True True"]


def test_reset_starts_anew(used: Stack) -> None:
    with used.running() as up:
        old = up.openbao.keys
    with used.running(reset=True) as up:
        assert all(server.new for server in up.servers)
        assert up.openbao.keys != old
        assert up.valkey.ask("GET", "kept") == "$-1"
        assert all_is_well(up)
