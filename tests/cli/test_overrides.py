"""`fluentpro set`, `unset`, `history`, `rollback`: the real command over a real database."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from fluentpro.cli.main import main
from fluentpro.cli.overriding import author, moment
from fluentpro.fleet.applied import record
from fluentpro.fleet.ledger import Ledger
from fluentpro.process import VALIDATOR, sources
from fluentpro.schema.database import Database
from tests.cli.project import Project

REASON = ("--reason", "a tour")


@pytest.fixture
def ready(project: Project, database: Path) -> Project:
    """A project whose database is migrated."""
    shutil.copy(database, project.root / "db.sqlite3")
    return project


@pytest.fixture
def ask(ready: Project, invoke: Callable[..., Result]) -> Callable[..., Result]:
    """The command inside this process, over the migrated database."""
    return invoke


def data(result: Result | subprocess.CompletedProcess[str]) -> Any:
    return json.loads(result.stdout)


def test_an_operator_s_day(ready: Project) -> None:
    done = ready.run("set", "site.banner", "hello", "--for", "2h", "--author", "anna", *REASON)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith('set site.banner to "hello" (revision 1, until ')
    assert " UTC); each process finds it by itself" in done.stdout
    explained = ready.run("explain", "site.banner")
    assert "  from        override #1 by anna\n" in explained.stdout
    assert '  shadows     "Welcome to FluentPro (development)"' in explained.stdout
    shown = ready.run("show", "site", "--origins")
    assert 'banner = "hello"  # override #1 by anna' in shown.stdout
    undone = ready.run("unset", "site.banner", "--author", "ben", *REASON)
    assert undone.stdout.startswith(
        'unset site.banner: it is "Welcome to FluentPro (development)" (revision 2); '
    )
    back = ready.run("rollback", "1", "--author", "ben", *REASON)
    assert back.stdout.startswith("rolled back to revision 1: 1 override (revision 3); ")
    lines = ready.run("history").stdout.splitlines()
    assert [line.split("UTC")[-1].strip() for line in lines[::2]] == [
        "ben   rollback to revision 1",
        "ben   unset site.banner",
        'anna  set site.banner to "hello"',
    ]
    assert {line.strip() for line in lines[1::2]} == {"a tour"}


def test_a_dry_run_tells_what_would_change_and_writes_nothing(ask: Callable[..., Result]) -> None:
    said = ask("set", "site.banner", "hello", "--dry-run", *REASON).stdout.splitlines()
    assert said[0] == 'would set site.banner to "hello" (revision 1)'
    assert said[1].split() == [
        "site.banner",
        '"Welcome',
        "to",
        "FluentPro",
        '(development)"',
        "->",
        '"hello"',
        "(live)",
    ]
    assert said[2].startswith("  digest ")
    assert ask("history").stdout == "nothing was ever overridden\n"
    ask("set", "site.banner", "hello", *REASON)
    assert ask("unset", "site.banner", "--dry-run", *REASON).stdout.startswith(
        "would unset site.banner: it is "
    )
    assert ask("rollback", "0", "--dry-run", *REASON).stdout.startswith(
        "would roll back to revision 0: 0 overrides"
    )
    assert len(data(ask("history", "--json"))) == 1
    same = ask("set", "site.banner", "hello", "--dry-run", *REASON).stdout
    assert "no setting changes" in same


def test_each_verb_prints_json(ask: Callable[..., Result]) -> None:
    made = data(ask("set", "openai.timeout", "5", "--json", "--author", "anna", *REASON))
    assert (made["written"], made["verb"], made["revision"], made["author"]) == (True, "set", 1, "anna")
    assert made["changes"] == [{"key": "openai.timeout", "effect": "live", "old": "20.0", "new": "5.0"}]
    assert data(ask("unset", "openai.timeout", "--json", *REASON))["changes"][0]["new"] == "20.0"
    assert data(ask("rollback", "--json", *REASON))["to"] == 1
    assert [item["number"] for item in data(ask("history", "--json", "--limit", "2"))] == [3, 2]


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (("set", "openai.timeout", "soon"), 78, '"soon" is not a number'),
        (("set", "django.debug", "true"), 78, "not for operators to override"),
        (("set", "django.secret_key", "canary-secret"), 78, "FLUENTPRO_DJANGO__SECRET_KEY"),
        (("set", "site.baner", "x"), 64, "did you mean site.banner or site.name?"),
        (("set", "site", "x"), 64, "site is a table"),
        (("set", "site.banner", "x", "--for", "soon"), 64, "give a time such as"),
        (("set", "site.banner", "x", "--canary", "1"), 78, "no fleet"),
        (("unset", "site.banner"), 78, "site.banner is not overridden"),
        (("rollback",), 78, "no revision to go back to"),
    ],
)
def test_what_is_refused_says_why_and_what_helps(
    words: tuple[str, ...], status: int, says: str, ask: Callable[..., Result]
) -> None:
    done = ask(*words, *REASON)
    assert done.exit_code == status
    assert says in done.stderr
    assert "canary-secret" not in done.output
    assert ask("history").stdout == "nothing was ever overridden\n"


def test_a_refusal_is_json_where_json_is_asked_for(ask: Callable[..., Result]) -> None:
    done = ask("set", "openai.timeout", "soon", "--json", *REASON)
    assert [item["code"] for item in data(done)["findings"]] == ["CFG202"]


def test_a_change_wants_a_reason(ask: Callable[..., Result]) -> None:
    for words in (("set", "site.banner", "x"), ("unset", "site.banner"), ("rollback", "0")):
        assert ask(*words).exit_code == 64


def test_a_database_that_is_not_migrated_says_what_makes_it(
    invoke: Callable[..., Result], project: Project
) -> None:
    done = invoke("set", "site.banner", "x", *REASON)
    assert (done.exit_code, "there is no database yet" in done.stderr) == (69, True)
    assert "`fluentpro up` makes it" in done.stderr
    (project.root / "db.sqlite3").write_bytes(b"no database " * 100)
    done = invoke("history")
    assert (done.exit_code, "does not answer" in done.stderr) == (69, True)


def test_who_comes_second_is_told(
    ready: Project, ask: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    from fluentpro.cli import reach

    other, commit = Ledger(Database(), ready.root), reach.commit

    def late(*given: Any, **more: Any) -> Any:
        if not other.history():
            assert ready.run("set", "site.banner", "first", "--author", "ben", *REASON).returncode == 0
        return commit(*given, **more)

    monkeypatch.setattr(reach, "commit", late)
    done = ask("set", "site.banner", "second", *REASON)
    assert done.exit_code == 75
    assert "ben made revision 1 meanwhile, and nothing was written" in done.stderr


# ---- What the other verbs see


def test_a_stored_override_that_is_broken_is_found_by_check_and_healed_by_unset(
    ready: Project, ask: Callable[..., Result]
) -> None:
    ask("set", "site.banner", "x", "--author", "anna", *REASON)
    with closing(sqlite3.connect(ready.root / "db.sqlite3", isolation_level=None)) as other:
        other.execute("UPDATE overrides_revision SET entries = replace(entries, 'site.banner', 'site.gone')")
    done = ask("check")
    assert done.exit_code == 78
    assert done.stderr.splitlines()[2:] == [
        "CFG130  site.gone: unknown key",
        "        override #1 by anna",
        "        fix: `fluentpro unset site.gone` takes it back",
    ]
    assert ask("unset", "site.gone", *REASON).stdout.startswith("unset site.gone (revision 2); ")
    assert ask("check").exit_code == 0


@pytest.fixture
def unreachable() -> dict[str, str]:
    return {
        "FLUENTPRO_DATABASE__ENGINE": "postgresql",
        "FLUENTPRO_DATABASE__NAME": "nowhere",
        "FLUENTPRO_DATABASE__USER": "nobody",
        "FLUENTPRO_DATABASE__PASSWORD": "canary-password",
        "FLUENTPRO_DATABASE__HOST": "127.0.0.1",
        "FLUENTPRO_DATABASE__PORT": "1",
    }


def test_a_machine_without_the_database_can_check_and_is_told(
    project: Project, unreachable: dict[str, str]
) -> None:
    done = project.run("check", **unreachable)
    assert done.returncode == 0
    [line] = done.stderr.splitlines()
    assert line.startswith(
        "fluentpro: overrides are left out: the database does not answer (OperationalError"
    )
    known = data(project.run("check", "--json", **unreachable))
    assert known["overrides"]["problem"].startswith("the database does not answer")
    explained = project.run("explain", "site.banner", **unreachable)
    assert (explained.returncode, len(explained.stderr.splitlines())) == (0, 1)


def test_a_fresh_checkout_hears_nothing_of_overrides(project: Project) -> None:
    done = project.run("check")
    assert (done.returncode, done.stderr) == (0, "")


def test_two_environments_are_compared_without_what_one_database_says(ask: Callable[..., Result]) -> None:
    ask("set", "openai.timeout", "5", *REASON)
    assert "openai.timeout" not in ask("diff", "development", "testing").stdout


# ---- Which configuration produced this?


def test_a_digest_tells_what_it_was(ready: Project, ask: Callable[..., Result]) -> None:
    first = VALIDATOR.validate(sources({}, ready.root).load())
    ask("set", "site.banner", "hello\x1b[31m", "--author", "anna", *REASON)
    second = VALIDATOR.validate(sources({}, ready.root).load())
    record(Ledger(Database(), ready.root), second, first, "override")
    said = ask("history", second.digest[:6]).stdout
    assert said.splitlines()[0].startswith(f"{second.digest}: development, release ")
    assert f"by override, after {first.digest}" in said
    assert "\x1b" not in said
    assert "# override #1 by anna" in said
    assert 'django.secret_key = "********"' in said
    assert first.config.django.secret_key.get_secret_value() not in said
    assert data(ask("history", second.digest, "--json"))["trigger"] == "override"
    done = ask("history", first.digest)
    assert (done.exit_code, "no configuration has the digest" in done.stderr) == (78, True)


def test_whatever_stands_in_the_table_can_be_listed(ready: Project, ask: Callable[..., Result]) -> None:
    with closing(sqlite3.connect(ready.root / "db.sqlite3", isolation_level=None)) as other:
        row = (1, 0.0, "an\x1b[2Jna", "why\nnot", '{"verb": ["set"], "key": {}}', "[]", "canary", "[]")
        other.execute("INSERT INTO overrides_revision VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
    said = ask("history").stdout
    assert "\x1b" not in said
    assert said.splitlines()[0].endswith("[canary]")
    assert len(said.splitlines()) == 2


# ---- Words


def test_a_time_of_another_day_has_its_date() -> None:
    assert moment(3_600.0, 0.0) == "01:00 UTC"
    assert moment(90_000.0, 0.0) == "1970-01-02 01:00 UTC"


def test_the_author_is_who_stands_behind_sudo() -> None:
    assert author({"SUDO_USER": "anna", "USER": "root"}) == "anna"
    assert author({"USER": "ben"}) == "ben"
    assert author({})


def test_a_tab_offers_what_may_be_overridden() -> None:
    environ = {
        "_FLUENTPRO_COMPLETE": "bash_complete",
        "COMP_WORDS": "fluentpro unset site.",
        "COMP_CWORD": "2",
    }
    said = CliRunner().invoke(main, env=environ, prog_name="fluentpro").stdout
    assert said.split() == ["plain,site.banner"]
