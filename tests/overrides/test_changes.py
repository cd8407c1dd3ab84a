"""A change of the overrides: planned over the whole configuration, written as one revision or not at all."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from fluentpro.config.errors import ConfigError
from fluentpro.config.overrides import Override
from fluentpro.config.snapshot import Candidate
from fluentpro.fleet.applied import applied, record
from fluentpro.fleet.changes import (
    By,
    Desk,
    Plan,
    RefusedError,
    commit,
    propose_rollback,
    propose_set,
    propose_unset,
)
from fluentpro.fleet.ledger import ConflictError, Ledger, NoTableError
from fluentpro.fleet.revision import Stage
from fluentpro.process import VALIDATOR, desk, install, make_runtime, rehearse, sources
from fluentpro.schema import Config
from tests.overrides.conftest import revision
from tests.support.project import Project

ANNA = By("anna", "a tour")
BEN = By("ben", "a fix")


@pytest.fixture
def candidate(project: Project) -> Candidate:
    return sources({"ENV_FOR_DYNACONF": "testing"}, project.root).load()


@pytest.fixture
def made(candidate: Candidate, ledger: Ledger) -> Desk[Config]:
    """A desk over each kind of database."""
    return Desk(candidate, ledger, Config, VALIDATOR.validate, lambda: 1_000.0)


@pytest.fixture
def here(candidate: Candidate, sqlite: Ledger) -> Desk[Config]:
    """A desk over SQLite."""
    return Desk(candidate, sqlite, Config, VALIDATOR.validate, lambda: 1_000.0)


def set_(at: Desk[Config], key: str, text: str, by: By = ANNA) -> Plan:
    plan = propose_set(at, key, text, by)
    commit(plan, at)
    return plan


def values(at: Desk[Config]) -> dict[str, object]:
    current = at.ledger.current()
    return {item.key: item.value for item in current.overrides} if current else {}


def codes(caught: pytest.ExceptionInfo[ConfigError]) -> list[str]:
    return [item.code for item in caught.value.findings]


def test_a_setting_is_set_unset_and_set_again_by_a_rollback(made: Desk[Config]) -> None:
    set_(made, "site.banner", "hello")
    set_(made, "openai.timeout", "12", BEN)
    assert values(made) == {"site.banner": "hello", "openai.timeout": 12.0}
    commit(propose_unset(made, "site.banner", BEN), made)
    assert values(made) == {"openai.timeout": 12.0}
    commit(propose_rollback(made, 2, ANNA), made)
    assert values(made) == {"site.banner": "hello", "openai.timeout": 12.0}
    assert [(item.number, item.change["verb"], item.author) for item in made.ledger.history()] == [
        (4, "rollback", "anna"),
        (3, "unset", "ben"),
        (2, "set", "ben"),
        (1, "set", "anna"),
    ]
    assert [(item.since, item.author) for item in made.ledger.history(1)[0].overrides] == [
        (1, "anna"),
        (2, "ben"),
    ]


def test_a_plan_tells_what_changes_and_writes_nothing(here: Desk[Config]) -> None:
    plan = propose_set(here, "site.banner", "hello", replace(ANNA, until=2_000.0))
    [change] = plan.changes
    assert (change.key, change.new, change.effect) == ("site.banner", '"hello"', "live")
    assert plan.digest != plan.previous_digest
    assert plan.number == 1
    data = json.loads(json.dumps(plan.as_dict()))
    assert data["changes"] == [{"key": "site.banner", "effect": "live", "old": change.old, "new": '"hello"'}]
    assert (data["until"], data["author"], data["reason"]) == (2_000.0, "anna", "a tour")
    assert here.ledger.history() == ()


@pytest.mark.parametrize(
    ("key", "text", "code"),
    [
        ("site.banner", "x" * 300, "CFG204"),
        ("openai.timeout", "soon", "CFG202"),
        ("openai.timeout", "nan", "CFG204"),
        ("django.debug", "true", "CFG131"),
        ("django.secret_key", "canary-secret", "CFG131"),
        ("site.baner", "x", "CFG130"),
        ("site", "x", "CFG130"),
        ("", "x", "CFG130"),
    ],
)
def test_what_would_be_refused_is_refused_before(here: Desk[Config], key: str, text: str, code: str) -> None:
    with pytest.raises(ConfigError) as caught:
        propose_set(here, key, text, ANNA)
    assert codes(caught) == [code]
    assert "canary" not in str(caught.value)


def test_a_rule_across_settings_has_its_say(here: Desk[Config]) -> None:
    with pytest.raises(ConfigError) as caught:
        propose_set(here, "health.timeout", "500", ANNA)
    assert codes(caught)[0] > "CFG400"
    assert "the override that is asked for" in str(caught.value)


@pytest.mark.parametrize(
    ("by", "text", "why"),
    [
        (By("", "r"), "x", "author"),
        (By("a" * 101, "r"), "x", "author"),
        (By("anna", " "), "x", "reason"),
        (By("anna", "r" * 501), "x", "reason"),
        (By("anna", "r", until=999.0), "x", "past"),
        (By("anna", "r"), "a\0b", "stored"),
        (By("anna", "\ud83d"), "x", "stored"),
    ],
)
def test_what_can_not_be_kept_is_refused(here: Desk[Config], by: By, text: str, why: str) -> None:
    with pytest.raises(RefusedError, match=why) as caught:
        propose_set(here, "site.banner", text, by)
    assert caught.value.fix


def test_the_same_key_keeps_one_override_and_others_their_authors(here: Desk[Config]) -> None:
    set_(here, "site.banner", "one")
    set_(here, "openai.timeout", "5", BEN)
    set_(here, "site.banner", "two", BEN)
    current = here.ledger.current()
    assert current
    assert {(item.key, item.value, item.since, item.author) for item in current.overrides} == {
        ("site.banner", "two", 3, "ben"),
        ("openai.timeout", 5.0, 2, "ben"),
    }


def test_of_two_plans_from_the_same_state_the_second_is_refused_and_says_who_was_first(
    made: Desk[Config],
) -> None:
    one, two = propose_set(made, "site.banner", "one", ANNA), propose_set(made, "site.banner", "two", BEN)
    commit(one, made)
    with pytest.raises(ConflictError, match="anna made revision 1 meanwhile"):
        commit(two, made)
    assert values(made) == {"site.banner": "one"}


def test_what_has_ended_is_left_out_of_the_next_revision_and_of_a_rollback(here: Desk[Config]) -> None:
    set_(here, "site.banner", "short", replace(ANNA, until=1_500.0))
    set_(here, "openai.timeout", "5")
    later = replace(here, clock=lambda: 1_600.0)
    set_(later, "openai.model", "other")
    assert values(later) == {"openai.timeout": 5.0, "openai.model": "other"}
    commit(propose_rollback(later, 2, ANNA), later)
    assert values(later) == {"openai.timeout": 5.0}
    with pytest.raises(RefusedError, match="not overridden"):
        propose_unset(later, "site.banner", ANNA)


def test_a_rollback_without_a_number_undoes_the_last(here: Desk[Config]) -> None:
    set_(here, "site.banner", "one")
    set_(here, "site.banner", "two")
    plan = propose_rollback(here, None, ANNA)
    assert plan.to == 1
    commit(plan, here)
    assert values(here) == {"site.banner": "one"}
    plan = propose_rollback(here, 0, ANNA)
    commit(plan, here)
    assert values(here) == {}


def test_a_rollback_to_nowhere_is_refused(here: Desk[Config]) -> None:
    with pytest.raises(RefusedError, match="no revision to go back to"):
        propose_rollback(here, None, ANNA)
    set_(here, "site.banner", "one")
    with pytest.raises(RefusedError, match="no revision 7"):
        propose_rollback(here, 7, ANNA)
    with pytest.raises(RefusedError, match="in force already"):
        propose_rollback(here, 1, ANNA)
    assert propose_rollback(here, None, ANNA).to == 0


def test_while_a_canary_tries_a_revision_only_a_rollback_goes(made: Desk[Config]) -> None:
    set_(made, "site.banner", "one")
    tried = commit(propose_set(made, "site.banner", "two", BEN), made, canary=("a-1",))
    assert (tried.stage, tried.canary) == (Stage.CANARY, ("a-1",))
    for ask in (
        lambda: propose_set(made, "openai.timeout", "5", ANNA),
        lambda: propose_unset(made, "site.banner", ANNA),
    ):
        with pytest.raises(RefusedError, match="revision 2 by ben is with its canaries"):
            ask()
    plan = propose_rollback(made, None, ANNA)
    assert (plan.to, plan.number) == (1, 3)
    commit(plan, made)
    assert [(item.number, item.stage) for item in made.ledger.history()] == [
        (3, Stage.EVERYONE),
        (2, Stage.TAKEN_BACK),
        (1, Stage.EVERYONE),
    ]
    assert values(made) == {"site.banner": "one"}


def test_the_first_of_all_can_be_taken_back_from_its_canary(here: Desk[Config]) -> None:
    commit(propose_set(here, "site.banner", "one", ANNA), here, canary=("a",))
    plan = propose_rollback(here, None, ANNA)
    assert plan.to == 0
    commit(plan, here)
    assert values(here) == {}


def test_a_broken_override_stops_a_change_of_another_and_can_be_taken_back(here: Desk[Config]) -> None:
    broken = Override("site.gone", 1, "anna", "", 1)
    here.ledger.append(revision(1, broken, Override("openai.timeout", 5.0, "ben", "", 1)))
    with pytest.raises(ConfigError) as caught:
        propose_set(here, "site.banner", "x", ANNA)
    assert codes(caught) == ["CFG130"]
    assert "`fluentpro unset site.gone`" in str(caught.value)
    plan = propose_unset(here, "openai.timeout", ANNA)
    assert (plan.digest, plan.changes) == (None, ()), "it makes nothing worse"
    plan = propose_unset(here, "site.gone", ANNA)
    assert plan.digest
    commit(plan, here)
    assert values(here) == {"openai.timeout": 5.0}


def test_what_was_stored_and_is_no_override_can_be_taken_back_too(here: Desk[Config]) -> None:
    faulty = Override("site.banner", [1, 2], fault="what is stored is no JSON object")
    here.ledger.append(revision(1, faulty, Override("openai.timeout", 5.0, "ben", "", 1)))
    commit(propose_unset(here, "openai.timeout", ANNA), here)
    current = here.ledger.current()
    assert current
    assert current.entries() == {"site.banner": [1, 2]}, "nobody's data are lost on the way"
    commit(propose_unset(here, "site.banner", ANNA), here)
    assert values(here) == {}


def test_taking_back_what_the_configuration_needs_is_refused(project: Project, here: Desk[Config]) -> None:
    project.set("health.interval", 1.0, "settings.local.toml")
    set_(here, "health.interval", "60")
    project.set("health.timeout", 30.0, "settings.local.toml")
    now = replace(here, candidate=sources({"ENV_FOR_DYNACONF": "testing"}, project.root).load())
    with pytest.raises(ConfigError) as caught:
        propose_unset(now, "health.interval", ANNA)
    assert len(caught.value.findings) == 1
    assert now.ledger.newest() == here.ledger.revision(1)


def test_without_a_table_a_change_says_so(candidate: Candidate, tmp_path: Path) -> None:
    nowhere = Desk(
        candidate, Ledger(VALIDATOR.validate(candidate).config.database, tmp_path), Config, VALIDATOR.validate
    )
    with pytest.raises(NoTableError, match="no database yet"):
        propose_set(nowhere, "site.banner", "x", ANNA)


def test_a_desk_wants_a_configuration_that_names_a_database(project: Project) -> None:
    where = sources({"ENV_FOR_DYNACONF": "testing", "FLUENTPRO_DATABASE__ENGINE": "oracle"}, project.root)
    with pytest.raises(ConfigError) as caught:
        desk(where, where.load())
    assert codes(caught) == ["CFG203"]


# ---- Which configuration produced this?


def test_a_configuration_is_recorded_without_its_secrets(project: Project, ledger: Ledger) -> None:
    first = VALIDATOR.validate(sources({"ENV_FOR_DYNACONF": "testing"}, project.root).load())
    project.set("site.banner", "changed")
    second = VALIDATOR.validate(sources({"ENV_FOR_DYNACONF": "testing"}, project.root).load())
    record(ledger, first, None, "start")
    record(ledger, second, first, "file")
    record(ledger, second, None, "start")
    [known] = ledger.applied(second.digest)
    assert (known.previous, known.trigger, known.environment) == (first.digest, "file", "testing")
    assert [(item["key"], item["new"]) for item in known.changes] == [("site.banner", '"changed"')]
    assert known.settings["site.banner"]["origin"].startswith("settings/testing.toml:")
    assert known.settings["django.secret_key"]["value"] == "********"
    assert project.secret_key not in json.dumps([known.settings, known.changes])
    assert applied(first, None, "start").previous == ""


def test_a_live_process_tells_what_it_would_say_to_overrides(
    project: Project, monkeypatch: pytest.MonkeyPatch, candidate: Candidate
) -> None:
    monkeypatch.setattr("fluentpro.process._runtime", None)
    runtime = make_runtime(sources({"ENV_FOR_DYNACONF": "testing"}, project.root))
    install(runtime)
    started = runtime.store.start()
    entry = {"value": "hello", "author": "anna", "reason": "", "since": 1, "until": None}
    assert rehearse({"site.banner": entry}).config.site.banner == "hello"
    assert rehearse({}).digest == started.digest
    with pytest.raises(ConfigError):
        rehearse({"site.banner": {**entry, "value": 5}})
    assert runtime.store.snapshot is started
