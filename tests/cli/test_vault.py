"""`fluentpro vault bootstrap`: the verb around the bootstrap."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest
from click.testing import CliRunner, Result

from fluentpro.cli.vault import vault
from fluentpro.stack.folder import free_port
from fluentpro.stack.stack import Running

ROOT = Path(__file__).parents[2]
Run = Callable[..., Result]


@pytest.fixture
def run(running_stack: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The command against a Vault with nothing in it."""
    monkeypatch.chdir(ROOT)
    for name in (
        "ENV_FOR_DYNACONF",
        "VAULT_ADDR",
        "VAULT_TOKEN",
        "VAULT_NAMESPACE",
        "VAULT_CACERT",
        "PGHOST",
    ):
        monkeypatch.delenv(name, raising=False)
    assert running_stack.openbao.keys
    namespace = f"cli-{uuid4().hex[:8]}"
    running_stack.client().write_data(f"sys/namespaces/{namespace}", data={})
    known = {
        "VAULT_ADDR": running_stack.openbao.url,
        "VAULT_TOKEN": running_stack.openbao.keys.root,
        "VAULT_NAMESPACE": namespace,
        "HOME": str(tmp_path),
    }

    def run(*arguments: str, **variables: str | None) -> Result:
        return CliRunner().invoke(vault, ["bootstrap", *arguments], env=known | variables)

    return run


def test_it_tells_each_step_and_sums_up(run: Run, running_stack: Running) -> None:
    first = run("--env", "staging", "--env", "production")
    assert (first.exit_code, first.stderr) == (0, "")
    lines = first.stdout.splitlines()
    assert lines[0] == "created       secrets engine kv/"
    summary = "for staging, production: 22 created; no database, since PGHOST is not set"
    assert lines[-1] == f"{running_stack.openbao.url}, {summary}"
    again = run("--env", "staging", "--env", "production")
    assert again.stdout.splitlines()[-1].endswith(": 22 unchanged; no database, since PGHOST is not set")


def test_a_dry_run_is_for_the_environment_at_hand(run: Run) -> None:
    result = run("--dry-run", ENV_FOR_DYNACONF="production")
    assert result.exit_code == 0
    assert "would create  policy fluentpro-production-web" in result.stdout.splitlines()
    assert "for production: 12 would create" in result.stdout


def test_the_steps_as_json(run: Run) -> None:
    steps = json.loads(run("--json").stdout)
    assert steps[0] == {"state": "created", "subject": "secrets engine kv/"}
    assert {step["state"] for step in steps} == {"created"}


def test_the_token_of_a_login_is_used(run: Run, tmp_path: Path, running_stack: Running) -> None:
    assert running_stack.openbao.keys
    (tmp_path / ".vault-token").write_text(f"{running_stack.openbao.keys.root}\n")
    assert run("--dry-run", VAULT_TOKEN=None).exit_code == 0


def test_a_database_is_told_to_vault(run: Run, running_stack: Running) -> None:
    result = run(
        "--dry-run", PGHOST="127.0.0.1", PGPORT=str(running_stack.postgresql.port), PGSSLMODE="disable"
    )
    assert "would create  database connection fluentpro-development" in result.stdout
    assert "no database" not in result.stdout


def test_no_secret_is_shown(run: Run, running_stack: Running) -> None:
    result = run()
    assert running_stack.openbao.keys
    assert running_stack.openbao.keys.root not in result.output
    assert "secret_key" in result.stdout, "its name is"


@pytest.mark.parametrize(
    ("variables", "status", "said"),
    [
        ({"VAULT_ADDR": None}, 78, "VAULT_ADDR is not set"),
        ({"VAULT_ADDR": f"http://127.0.0.1:{free_port()}"}, 69, "no answer from the Vault"),
        ({"VAULT_TOKEN": None}, 78, "there is no token"),
        ({"VAULT_TOKEN": "wrong"}, 77, "Vault denied access"),
        ({"PGHOST": "db", "PGPORT": "five"}, 78, "PGPORT is not a number"),
        ({"PGHOST": "db", "PGPASSWORD": None}, 78, "the password of fluentpro_vault"),
        ({"FLUENTPRO_ROOT": "/nowhere"}, 78, "/nowhere/secrets can't be read"),
    ],
)
def test_what_is_missing_is_said_with_its_cure(
    run: Run, variables: dict[str, str | None], status: int, said: str
) -> None:
    result = run(**variables)
    assert result.exit_code == status
    assert said in result.stderr
    assert "\n        fix: " in result.stderr


def test_one_database_is_not_for_two_environments(run: Run) -> None:
    result = run("--env", "staging", "--env", "production", PGHOST="db")
    assert result.exit_code == 78
    assert "each environment has its own" in result.stderr
