"""The bootstrap: what is missing is made, what is there stays, and a failure says what to do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import hvac
import psycopg
import pytest

from fluentpro.stack.folder import Folder, free_port
from fluentpro.stack.postgresql import PostgreSQL
from fluentpro.stack.process import Nursery
from fluentpro.stack.stack import Running
from fluentpro.vault.bootstrap import BootstrapError, State, bootstrap, connect, credentials, value
from fluentpro.vault.plan import Database, Generated, Plan, read_plan
from tests.support.waiting import eventually

SECRETS = Path(__file__).parents[2] / "secrets"
ENVIRONMENT = "staging"
PASSWORD = "canary-of-the-maker-7f3a"


@pytest.fixture
def fresh(running_stack: Running) -> Iterator[hvac.Client]:
    """A Vault with nothing in it: a namespace of the test's own."""
    root, name = running_stack.client(), f"test-{uuid4().hex[:8]}"
    root.write_data(f"sys/namespaces/{name}", data={})
    assert running_stack.openbao.keys
    yield connect(running_stack.openbao.url, running_stack.openbao.keys.root, namespace=name)
    root.delete(f"sys/namespaces/{name}")


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """A PostgreSQL of these tests' own: it can have one Vault only, which changes its passwords."""
    folder, nursery = Folder(tmp_path_factory.mktemp("postgresql")), Nursery()
    postgresql = PostgreSQL(folder, nursery)
    postgresql.start()
    postgresql.create("fluentpro", (SECRETS / "database.sql").read_text())

    def password() -> str:
        postgresql.set_password("fluentpro_vault", PASSWORD)
        return PASSWORD

    yield Database(ENVIRONMENT, "127.0.0.1", postgresql.port, "fluentpro", password, sslmode="disable")
    postgresql.stop()
    nursery.close()


@pytest.fixture
def plan() -> Plan:
    return read_plan(SECRETS, [ENVIRONMENT])


def states(client: hvac.Client, plan: Plan, *, dry_run: bool = False) -> Counter[State]:
    return Counter(step.state for step in bootstrap(client, plan, dry_run=dry_run))


def size(plan: Plan) -> int:
    return len(plan.items) + len(plan.generated)


def test_a_dry_run_tells_everything_and_makes_nothing(fresh: hvac.Client, plan: Plan) -> None:
    before = fresh.sys.list_mounted_secrets_engines()["data"]
    steps = list(bootstrap(fresh, plan, dry_run=True))
    assert {step.state for step in steps} == {State.WOULD_CREATE}
    assert str(steps[0]) == "would create  secrets engine kv/"
    assert str(steps[-1]) == "would create  secret kv/fluentpro/staging/operations (token)"
    assert fresh.sys.list_mounted_secrets_engines()["data"] == before
    assert states(fresh, plan, dry_run=True) == {State.WOULD_CREATE: size(plan)}


def test_a_fresh_vault_is_made_fit_once(fresh: hvac.Client, plan: Plan) -> None:
    assert states(fresh, plan) == {State.CREATED: size(plan)}
    assert states(fresh, plan) == {State.UNCHANGED: size(plan)}
    assert states(fresh, plan, dry_run=True) == {State.UNCHANGED: size(plan)}


def test_what_differs_is_put_right_and_nothing_else(fresh: hvac.Client, plan: Plan) -> None:
    list(bootstrap(fresh, plan))
    fresh.sys.create_or_update_policy("fluentpro-staging-web", 'path "kv/*" { capabilities = ["read"] }')
    fresh.write_data("auth/approle/role/fluentpro-staging-worker", data={"token_ttl": 60})
    told = [
        step.subject for step in bootstrap(fresh, plan, dry_run=True) if step.state is not State.UNCHANGED
    ]
    assert told == ["policy fluentpro-staging-web", "role fluentpro-staging-worker"]
    assert states(fresh, plan, dry_run=True)[State.WOULD_CHANGE] == 2
    assert states(fresh, plan)[State.CHANGED] == 2
    assert states(fresh, plan) == {State.UNCHANGED: size(plan)}


def test_a_secret_that_is_there_stays_and_a_missing_key_is_added(fresh: hvac.Client, plan: Plan) -> None:
    list(bootstrap(fresh, replace(plan, generated=())))
    path = "fluentpro/staging/django"
    fresh.write_data(f"kv/data/{path}", data={"data": {"secret_key": "mine", "other": "kept"}})
    assert states(fresh, plan)[State.UNCHANGED] == size(plan) - 1, "only operations is new"
    more = replace(plan, generated=(Generated(path, {"secret_key": str, "added": lambda: "new"}),))
    assert states(fresh, more, dry_run=True)[State.WOULD_CHANGE] == 1
    assert states(fresh, more)[State.CHANGED] == 1
    assert [value(fresh, path, key) for key in ("secret_key", "other", "added")] == ["mine", "kept", "new"]


def test_a_secret_that_was_deleted_stays_deleted(fresh: hvac.Client, plan: Plan) -> None:
    list(bootstrap(fresh, plan))
    path = "fluentpro/staging/django"
    assert value(fresh, path, "secret_key")
    fresh.delete(f"kv/data/{path}")
    assert states(fresh, plan) == {State.UNCHANGED: size(plan)}
    assert value(fresh, path, "secret_key") is None


def test_no_step_shows_a_secret(fresh: hvac.Client, plan: Plan) -> None:
    steps = " ".join(map(str, bootstrap(fresh, plan)))
    for table, key in (("django", "secret_key"), ("operations", "token")):
        secret = value(fresh, f"fluentpro/staging/{table}", key)
        assert secret
        assert secret not in steps + repr(plan)


def test_vault_makes_users_with_a_password_that_nobody_knows(
    fresh: hvac.Client, database: Database, running_stack: Running
) -> None:
    plan = read_plan(SECRETS, [ENVIRONMENT], [database])
    assert states(fresh, plan) == {State.CREATED: size(plan)}
    assert states(fresh, plan) == {State.UNCHANGED: size(plan)}

    def log_in(user: str, password: str) -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(
            host=database.host, port=database.port, dbname=database.name, user=user, password=password
        )

    with pytest.raises(psycopg.OperationalError):
        log_in("fluentpro_vault", PASSWORD)
    web = connect(running_stack.openbao.url, "", namespace=fresh.adapter.namespace)
    web.auth.approle.login(*credentials(fresh, "fluentpro-staging-web"))
    made = web.read("database/creds/fluentpro-staging")
    user, password = made["data"]["username"], made["data"]["password"]
    with log_in(user, password) as connection:
        connection.execute("CREATE TABLE words (word text)")
        connection.execute("INSERT INTO words VALUES ('hello')")
        connection.commit()
        web.sys.revoke_lease(made["lease_id"])
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
    with pytest.raises(psycopg.OperationalError):
        log_in(user, password)
    first = web.read("database/static-creds/fluentpro-staging-static")["data"]
    with log_in(first["username"], first["password"]) as connection:
        assert connection.execute("SELECT word FROM words").fetchone() == ("hello",), "the table stayed"
    fresh.write_data("database/rotate-role/fluentpro-staging-static", data={})
    second = web.read("database/static-creds/fluentpro-staging-static")["data"]
    assert second["password"] != first["password"]
    with pytest.raises(psycopg.OperationalError):
        log_in(first["username"], first["password"])
    log_in(second["username"], second["password"]).close()


def test_a_database_that_is_not_reached_is_said_without_the_password(
    fresh: hvac.Client, database: Database
) -> None:
    lost = replace(database, port=free_port(), password=lambda: PASSWORD)
    with pytest.raises(
        BootstrapError, match="Vault refused the database connection fluentpro-staging"
    ) as said:
        list(bootstrap(fresh, read_plan(SECRETS, [ENVIRONMENT], [lost])))
    assert "connection refused" in str(said.value)
    assert PASSWORD not in str(said.value)
    assert said.value.exit_status == 78


def test_a_secret_id_that_vault_knows_is_kept(fresh: hvac.Client, plan: Plan) -> None:
    list(bootstrap(fresh, plan))
    role = "fluentpro-staging-web"
    role_id, secret_id = credentials(fresh, role)
    assert credentials(fresh, role, secret_id) == (role_id, secret_id)
    fresh.auth.approle.destroy_secret_id(role, secret_id)
    again = credentials(fresh, role, secret_id)
    assert again[0] == role_id
    assert again[1] != secret_id


def test_a_store_of_version_1_is_refused(fresh: hvac.Client, plan: Plan) -> None:
    fresh.sys.enable_secrets_engine("kv", path="kv", options={"version": "1"})
    with pytest.raises(BootstrapError, match=r"secrets engine kv/ is there.*needs: kv version 2") as said:
        states(fresh, plan, dry_run=True)
    assert said.value.exit_status == 78


def test_a_token_that_may_not_is_told_so(fresh: hvac.Client, plan: Plan, running_stack: Running) -> None:
    token = fresh.auth.token.create(policies=["default"])["auth"]["client_token"]
    client = connect(running_stack.openbao.url, token, namespace=fresh.adapter.namespace)
    with pytest.raises(BootstrapError, match="Vault denied access to the secrets engine kv/") as said:
        states(client, plan)
    assert (said.value.exit_status, "VAULT_TOKEN" in said.value.fix) == (77, True)


def test_a_vault_that_does_not_answer(plan: Plan) -> None:
    with pytest.raises(BootstrapError, match="no answer from the Vault: ConnectionError") as said:
        states(connect(f"http://127.0.0.1:{free_port()}", "any"), plan)
    assert (said.value.exit_status, "VAULT_ADDR" in said.value.fix) == (69, True)


def test_a_sealed_vault(running_stack: Running, plan: Plan) -> None:
    client = running_stack.client()
    running_stack.openbao.seal()
    try:
        with pytest.raises(BootstrapError, match="sealed") as said:
            states(client, plan)
        assert (said.value.exit_status, said.value.fix) == (69, "unseal it: bao operator unseal")
    finally:
        eventually(running_stack.openbao.answers)
