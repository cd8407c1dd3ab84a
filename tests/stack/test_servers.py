"""The servers as FluentPro meets them: each asks for a password, and nothing of theirs leaks."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from fluentpro.config.environment import read_variables
from fluentpro.schema import Config
from fluentpro.stack.stack import Running
from tests.support.waiting import eventually

LOOPBACK = "127.0.0.1"


def database_user(stack: Running) -> tuple[str, str]:
    made = stack.client().read("database/creds/fluentpro-development")["data"]
    return made["username"], made["password"]


def secrets_of(stack: Running) -> Iterator[str]:
    """Everything that must not be read in a log."""
    assert stack.openbao.keys
    yield from (stack.openbao.keys.root, stack.openbao.keys.unseal)
    yield from (stack.postgresql.password, stack.valkey.password, database_user(stack)[1])
    yield from (file.read_text() for file in (stack.openbao.folder.path / "approle").iterdir())
    for path in ("django", "operations", "redis"):
        yield from stack.client().read(f"kv/data/fluentpro/development/{path}")["data"]["data"].values()


@pytest.mark.parametrize("password", ["", "wrong"])
def test_postgresql_takes_nobody_without_the_password(running_stack: Running, password: str) -> None:
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(host=LOOPBACK, port=running_stack.postgresql.port, user="postgres", password=password)


def test_valkey_takes_nobody_without_the_password(running_stack: Running) -> None:
    with running_stack.valkey.anonymous() as connection:
        connection.sendall(b"PING\r\n")
        assert connection.recv(100).startswith(b"-NOAUTH")


def test_valkey_takes_the_password_that_vault_has(running_stack: Running) -> None:
    known = running_stack.client().read("kv/data/fluentpro/development/redis")["data"]["data"]
    assert known == {"password": running_stack.valkey.password}
    running_stack.valkey.accept("another one")
    with running_stack.valkey.anonymous() as connection:
        connection.sendall(b'AUTH "another one"\r\n')
        assert connection.recv(100) == b"+OK\r\n"
    assert running_stack.valkey.ask("PING") == "+PONG"


def test_openbao_is_a_real_server_that_can_be_sealed(running_stack: Running) -> None:
    running_stack.openbao.seal()
    assert running_stack.client().sys.is_sealed()
    eventually(running_stack.openbao.answers)
    assert not running_stack.client().sys.is_sealed()


def test_the_servers_are_on_this_machine_only(running_stack: Running) -> None:
    import psutil

    for server in running_stack.servers:
        listening = [
            item.laddr.ip
            for item in psutil.Process(server.pid).net_connections("inet")
            if item.status == psutil.CONN_LISTEN
        ]
        assert set(listening) == {LOOPBACK}, server.title


def test_nothing_of_the_stack_can_be_read_by_others(running_stack: Running) -> None:
    folder = running_stack.openbao.folder.path
    assert folder.stat().st_mode & 0o777 == 0o700
    for path in (item for item in folder.rglob("*") if item.exists()):
        assert path.stat().st_mode & 0o077 == 0, path


def test_no_secret_stands_in_a_log(running_stack: Running) -> None:
    folder = running_stack.openbao.folder.path / "log"
    said = "".join(file.read_text(errors="replace") for file in folder.iterdir())
    assert "ready to accept connections" in said
    for secret in secrets_of(running_stack):
        assert len(secret) > 15
        assert secret not in said


def test_the_variables_are_settings_and_hold_no_secret(running_stack: Running) -> None:
    for process_type in ("web", "realtime", "worker", "operator"):
        environ = dict(running_stack.environ(process_type))
        variables = read_variables(environ, Config)
        assert variables.findings == ()
        assert environ["FLUENTPRO_DATABASE__PORT"] == str(running_stack.postgresql.port)
        assert environ["FLUENTPRO_REDIS__URL"] == running_stack.valkey.url
        assert not set(secrets_of(running_stack)) & set(environ.values())


def test_each_process_type_has_a_login_of_its_own(running_stack: Running) -> None:
    roles = {
        running_stack.environ(name)["FLUENTPRO_VAULT__ROLE_ID"] for name in ("web", "realtime", "worker")
    }
    assert len(roles) == 3


def test_the_users_of_the_database_act_as_its_owner_and_own_nothing(running_stack: Running) -> None:
    user, password = database_user(running_stack)
    with psycopg.connect(
        host=LOOPBACK, port=running_stack.postgresql.port, user=user, password=password, dbname="fluentpro"
    ) as connection:
        assert connection.execute("SELECT session_user, current_user").fetchone() == (user, "fluentpro_owner")
        connection.execute("CREATE TABLE mine AS SELECT 1")
        owner = connection.execute("SELECT tableowner FROM pg_tables WHERE tablename = 'mine'").fetchone()
        assert owner == ("fluentpro_owner",)
        connection.rollback()


def test_others_may_not_even_enter_the_database(running_stack: Running) -> None:
    with running_stack.postgresql.connect() as connection:
        query = "SELECT has_database_privilege('pg_monitor', 'fluentpro', 'CONNECT')"
        assert connection.execute(query).fetchone() == (False,)
