"""What a process knows of the overrides: read when told, kept when the database is down, ended in time."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from fluentpro.config.overrides import Override
from fluentpro.config.store import Result
from fluentpro.fleet.ledger import Ledger
from fluentpro.fleet.overrides import Overrides
from fluentpro.fleet.revision import Revision, Stage
from fluentpro.process import make_runtime, sources
from fluentpro.schema.database import Database
from tests.overrides.conftest import revision
from tests.support.project import Project

SQLITE = Database()
RAW: dict[str, Any] = {"database": {"engine": "sqlite"}}


def override(
    key: str = "site.banner", value: Any = "hello", until: float | None = None, since: int = 1
) -> Override:
    return Override(key, value, "anna", "a tour", since, until)


def values(of: Overrides) -> dict[str, Any]:
    return {item.key: item.value for item in of.given}


@dataclass
class Clock:
    now: float = 1_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class World:
    """A process's overrides over a real SQLite, and a clock of its own."""

    ledger: Ledger
    clock: Clock = field(default_factory=Clock)

    @property
    def file(self) -> Path:
        return self.ledger.root / "db.sqlite3"

    def process(self, name: str = "") -> Overrides:
        return Overrides(lambda database: Ledger(database, self.ledger.root), name, self.clock)


@pytest.fixture
def world(sqlite: Ledger) -> World:
    return World(sqlite)


def test_the_first_question_reads_and_no_other_does(world: World) -> None:
    world.ledger.append(revision(1, override()))
    known = world.process()
    assert not known.given, "nobody asked yet"
    assert [item.value for item in known(RAW)] == ["hello"]
    world.ledger.append(revision(2))
    assert [item.value for item in known(RAW)] == ["hello"]
    assert known.revision == 1
    assert known.refresh(SQLITE)
    assert (known(RAW), known.revision) == ((), 2)


def test_a_configuration_that_names_no_database_is_asked_again_when_it_does(world: World) -> None:
    world.ledger.append(revision(1, override()))
    known = world.process()
    assert known({"database": {"engine": "oracle"}}) == ()
    assert not known.asked
    assert known(RAW)


def test_reading_again_tells_whether_something_is_new(world: World) -> None:
    known = world.process()
    assert not known.refresh(SQLITE)
    world.ledger.append(revision(1, override()))
    assert known.refresh(SQLITE)
    assert not known.refresh(SQLITE)


def test_a_database_that_is_down_takes_nothing_away(world: World) -> None:
    world.ledger.append(revision(1, override()))
    known = world.process()
    known.refresh(SQLITE)
    whole = world.file.read_bytes()
    world.file.write_bytes(b"not a database " * 100)
    assert not known.refresh(SQLITE)
    assert values(known) == {"site.banner": "hello"}
    assert "does not answer" in known.problem
    world.file.unlink()
    assert not known.refresh(SQLITE)
    assert values(known) == {"site.banner": "hello"}
    assert known.problem == "there is no database yet"
    world.file.write_bytes(whole)
    assert not known.refresh(SQLITE), "it is what was known"
    assert known.problem == ""


def test_a_postgresql_that_is_down_takes_nothing_away(ledger: Ledger) -> None:
    ledger.append(revision(1, override()))
    known = Overrides(lambda database: Ledger(database, ledger.root))
    known.refresh(ledger.database)
    gone = Database(engine="postgresql", name="x", host="127.0.0.1", port=1)
    assert not known.refresh(gone)
    assert values(known) == {"site.banner": "hello"}
    assert known.problem.startswith("the database does not answer")


def test_without_a_table_there_is_nothing_to_complain_of(tmp_path: Path) -> None:
    known = Overrides(lambda database: Ledger(database, tmp_path))
    assert known(RAW) == ()
    assert (known.asked, known.problem) == (True, "")


def test_one_that_ends_vanishes_on_time_without_a_question(world: World) -> None:
    world.ledger.append(revision(1, override(until=1_010.0), override("openai.timeout", 5.0, 1_020.0)))
    known = world.process()
    assert len(known(RAW)) == 2
    assert known.next_end() == 1_010.0
    world.file.unlink()
    world.clock.now = 1_009.99
    assert (len(known.given), known.stale) == (2, False)
    world.clock.now = 1_010.0
    assert (values(known), known.stale) == ({"openai.timeout": 5.0}, True)
    assert known.next_end() == 1_010.0, "until a load has heard of it"
    known(RAW)
    assert (known.stale, known.next_end()) == (False, 1_020.0)
    world.clock.now = 2_000.0
    assert known(RAW) == ()
    assert known.next_end() is None


def test_a_canary_takes_it_first_and_the_others_when_it_is_for_everyone(world: World) -> None:
    world.ledger.append(revision(1, override()))
    world.ledger.append(revision(2, override(value="new"), stage=Stage.CANARY, canary=("one",)))
    canary, other = world.process("one"), world.process("two")
    for known in (canary, other):
        known.refresh(SQLITE)
    assert (values(canary), canary.canary, canary.revision) == ({"site.banner": "new"}, True, 2)
    assert (values(other), other.canary, other.revision) == ({"site.banner": "hello"}, False, 1)
    world.ledger.settle(2, Stage.EVERYONE)
    for known in (canary, other):
        assert known.refresh(SQLITE)
        assert (values(known), known.canary) == ({"site.banner": "new"}, False)


def test_a_canary_that_is_taken_back_has_what_everyone_has(world: World) -> None:
    world.ledger.append(revision(1, stage=Stage.CANARY, canary=("one",)))
    world.ledger.settle(1, Stage.TAKEN_BACK)
    known = world.process("one")
    assert known(RAW) == ()
    assert known.revision == 0


def test_what_comes_for_everyone_beats_an_older_canary(world: World) -> None:
    world.ledger.append(revision(1, override(value="tried"), stage=Stage.CANARY, canary=("one",)))
    world.ledger.append(revision(2, override(value="decided")))
    known = world.process("one")
    assert [item.value for item in known(RAW)] == ["decided"]


def test_an_older_answer_is_never_put_over_a_newer_one() -> None:
    begun, go_on, answers = threading.Event(), threading.Event(), [revision(1), revision(2)]

    class Slow(Ledger):
        def live(self) -> tuple[Revision, ...]:
            answer = answers.pop(0)
            if answer.number == 1:
                begun.set()
                go_on.wait(20)
            return (answer,)

    known = Overrides(lambda database: Slow(database, Path()))
    first = threading.Thread(target=known.refresh, args=(SQLITE,))
    second = threading.Thread(target=known.refresh, args=(SQLITE,))
    first.start()
    assert begun.wait(20)
    second.start()
    go_on.set()
    first.join(20)
    second.join(20)
    assert known.revision == 2


def test_a_child_keeps_what_its_parent_knew_and_looks_for_itself(world: World) -> None:
    world.ledger.append(revision(1, override()))
    known = world.process()
    known(RAW)
    with known._reading:  # as another thread of the parent may have it at the fork
        known.after_fork()
    assert known.inherited
    world.ledger.append(revision(2))
    assert known.refresh(SQLITE)
    assert not known.inherited


# ---- With the engine


@pytest.fixture
def ask(project: Project) -> Callable[[], Ledger]:
    return lambda: Ledger(Database(name="testing.sqlite3"), project.root)


def environ() -> dict[str, str]:
    return {"ENV_FOR_DYNACONF": "testing", "PATH": os.environ["PATH"]}


def test_a_process_starts_with_the_overrides_and_follows_them(
    project: Project, ask: Callable[[], Ledger]
) -> None:
    ask().append(revision(1, override()))
    runtime = make_runtime(sources(environ(), project.root))
    started = runtime.store.start()
    assert started.config.site.banner == "hello"
    known = runtime.sources.overrides
    assert isinstance(known, Overrides)
    ask().append(revision(2, override(value="again", since=2)))
    assert known.refresh(started.config.database)
    assert known.stale
    outcome = runtime.store.reload("override")
    assert [(change.old, change.new) for change in outcome.changes] == [('"hello"', '"again"')]
    winner = outcome.snapshot.candidate.winner(("site", "banner"))
    assert winner
    assert str(winner.origin) == "override #2 by anna"


def test_an_override_that_can_not_be_taken_changes_nothing(
    project: Project, ask: Callable[[], Ledger]
) -> None:
    runtime = make_runtime(sources(environ(), project.root))
    started = runtime.store.start()
    known = runtime.sources.overrides
    assert isinstance(known, Overrides)
    ask().append(revision(1, override("openai.timeout", "soon")))
    known.refresh(started.config.database)
    outcome = runtime.store.reload("override")
    assert outcome.result is Result.REFUSED
    assert outcome.snapshot is started
    assert "fluentpro unset openai.timeout" in str(outcome.error)
