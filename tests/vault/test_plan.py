"""What `secrets/` says: each process type may do what it needs in its environment, and nothing else."""

from __future__ import annotations

import re
import secrets
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path

import hvac
import pytest

from fluentpro.schema import ENVIRONMENTS
from fluentpro.stack.stack import Running
from fluentpro.vault.bootstrap import bootstrap, connect, credentials
from fluentpro.vault.plan import PROCESSES, read_plan, role_name
from fluentpro.vault.reference import parse

ROOT = Path(__file__).parents[2]
DEPLOYED = ("staging", "production")
OTHER = {"development": "production", "staging": "production", "production": "staging"}

Allowed = Callable[[str, str, str], set[str]]

environments = pytest.mark.parametrize("environment", ["development", *DEPLOYED])
processes = pytest.mark.parametrize("process_type", PROCESSES)


@pytest.fixture(scope="module")
def clients(running_stack: Running) -> Mapping[str, hvac.Client]:
    """A client for each role, logged in as a process of it would be."""
    root = running_stack.client()
    list(bootstrap(root, read_plan(ROOT / "secrets", DEPLOYED)))
    made = {}
    for environment in ("development", *DEPLOYED):
        for process_type in (*PROCESSES, "operator"):
            name = role_name(environment, process_type)
            made[name] = connect(running_stack.openbao.url, "")
            made[name].auth.approle.login(*credentials(root, name))
    return made


@pytest.fixture(scope="module")
def allowed(running_stack: Running, clients: Mapping[str, hvac.Client]) -> Allowed:
    """What a role may do with a path, by the Vault's own word."""
    root = running_stack.client()

    def allowed(environment: str, process_type: str, path: str) -> set[str]:
        token = clients[role_name(environment, process_type)].token
        return set(root.sys.get_capabilities([path], token=token)["data"][path]) - {"deny"}

    return allowed


def references(environment: str) -> list[str]:
    """The paths of Vault's API that `.secrets.toml` refers to."""
    tables = tomllib.loads((ROOT / ".secrets.toml").read_text()).values()
    found = {text for table in tables for text in table.values()}
    pointers = [parse(text, environment) for text in found]
    assert None not in pointers
    return sorted({pointer.location.api_path for pointer in pointers if pointer})


def test_the_folder_is_no_package_and_hides_no_module() -> None:
    assert not list((ROOT / "secrets").rglob("*.py"))
    assert secrets.__file__
    assert not Path(secrets.__file__).is_relative_to(ROOT / "secrets")


def test_there_is_no_secret_in_the_folder() -> None:
    for file in (ROOT / "secrets").rglob("*.*"):
        assert not re.search(r"[A-Za-z0-9_+/-]{30,}=*$", file.read_text(), re.MULTILINE), file


def test_each_process_type_has_a_policy_and_a_role_of_its_own() -> None:
    expected = {*PROCESSES, "operator"}
    assert {file.stem for file in (ROOT / "secrets/policies").iterdir()} == expected
    for file in (ROOT / "secrets/roles").iterdir():
        expected.remove(file.stem)
        assert tomllib.loads(file.read_text())["policies"] == [file.stem]
    assert expected == set()


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_a_plan_names_its_environment_in_every_place(environment: str) -> None:
    plan = read_plan(ROOT / "secrets", [environment])
    policies = [item for item in plan.items if item.path.startswith("sys/policies/")]
    assert len(policies) == 4
    for item in policies:
        assert "{env}" not in item.wanted["policy"]
        assert environment in item.subject
    assert [secret.path for secret in plan.generated] == [
        f"fluentpro/{environment}/django",
        f"fluentpro/{environment}/operations",
    ]


def test_generated_values_differ_and_are_long() -> None:
    (django, _) = read_plan(ROOT / "secrets", ["development"]).generated
    first, second = django.make["secret_key"](), django.make["secret_key"]()
    assert first != second
    assert len(first) >= 50


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="generated"):
        read_plan(tmp_path, ["development"])


@processes
@environments
def test_a_process_reads_every_secret_that_is_referred_to(
    allowed: Allowed, environment: str, process_type: str
) -> None:
    paths = references(environment)
    assert paths
    for path in paths:
        assert allowed(environment, process_type, path) == {"read"}, path
        metadata = path.replace("kv/data/", "kv/metadata/")
        assert allowed(environment, process_type, metadata) == {"read"}, path


@processes
@environments
def test_a_process_may_do_nothing_else(allowed: Allowed, environment: str, process_type: str) -> None:
    other = OTHER[environment]
    for path in (
        f"kv/data/fluentpro/{other}/django",
        f"kv/metadata/fluentpro/{other}/django",
        f"kv/data/fluentpro/{environment}",
        f"kv/delete/fluentpro/{environment}/django",
        f"kv/destroy/fluentpro/{environment}/django",
        f"database/creds/fluentpro-{other}",
        f"database/static-creds/fluentpro-{other}-static",
        f"database/rotate-role/fluentpro-{environment}-static",
        f"database/config/fluentpro-{environment}",
        f"auth/approle/role/fluentpro-{environment}-{process_type}/secret-id",
        "auth/token/create",
        "sys/policies/acl/default",
        "sys/mounts",
        "sys/seal",
    ):
        assert allowed(environment, process_type, path) == set(), path
    assert allowed(environment, process_type, f"database/creds/fluentpro-{environment}") == {"read"}


@environments
def test_an_operator_writes_and_rotates_in_one_environment(allowed: Allowed, environment: str) -> None:
    other = OTHER[environment]
    mine = f"kv/data/fluentpro/{environment}/auth0"
    assert allowed(environment, "operator", mine) == {"create", "update", "read"}
    assert allowed(environment, "operator", f"kv/metadata/fluentpro/{environment}/auth0") == {"list", "read"}
    rotate = f"database/rotate-role/fluentpro-{environment}-static"
    assert allowed(environment, "operator", rotate) == {"update"}
    for process_type in PROCESSES:
        path = f"auth/approle/role/fluentpro-{environment}-{process_type}/secret-id"
        assert allowed(environment, "operator", path) == {"update"}
    for path in (
        f"kv/data/fluentpro/{other}/auth0",
        f"database/creds/fluentpro-{environment}",
        f"auth/approle/role/fluentpro-{environment}-operator/secret-id",
        f"auth/approle/role/fluentpro-{other}-web/secret-id",
        f"kv/destroy/fluentpro/{environment}/auth0",
        "sys/seal",
    ):
        assert allowed(environment, "operator", path) == set(), path


def test_an_operator_s_write_that_comes_late_is_refused(clients: Mapping[str, hvac.Client]) -> None:
    operator, path = clients["fluentpro-development-operator"], "kv/data/fluentpro/development/checked"
    operator.write_data(path, data={"data": {"key": "first"}, "options": {"cas": 0}})
    with pytest.raises(hvac.exceptions.InvalidRequest, match="check-and-set"):
        operator.write_data(path, data={"data": {"key": "late"}, "options": {"cas": 0}})
    operator.write_data(path, data={"data": {"key": "second"}, "options": {"cas": 1}})
    assert operator.read(path)["data"]["data"] == {"key": "second"}, "to write the rest of it again"


def test_a_process_renews_and_revokes_the_leases_of_its_environment_only(
    clients: Mapping[str, hvac.Client], running_stack: Running
) -> None:
    web, worker = clients["fluentpro-development-web"], clients["fluentpro-production-worker"]
    lease = web.read("database/creds/fluentpro-development")["lease_id"]
    assert web.sys.renew_lease(lease, increment=60)["lease_duration"] == 60
    assert web.sys.read_lease(lease)["data"]["id"] == lease
    for attempt in (worker.sys.renew_lease, worker.sys.revoke_lease, worker.sys.read_lease):
        with pytest.raises(hvac.exceptions.Forbidden):
            attempt(lease)
    web.sys.revoke_lease(lease)
    with pytest.raises(hvac.exceptions.InvalidRequest):
        running_stack.client().sys.read_lease(lease)


def test_a_token_of_a_process_looks_after_itself(clients: Mapping[str, hvac.Client]) -> None:
    token = clients["fluentpro-staging-web"].auth.token
    assert token.renew_self()["auth"]["lease_duration"] == 3600
    assert token.lookup_self()["data"]["policies"] == ["fluentpro-staging-web"], "not even `default`"
