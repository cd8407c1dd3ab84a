"""Load, validate, check, swap, notify."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import pytest

from fluentpro.config.diagnostics import Diagnostic, Severity
from fluentpro.config.errors import ConfigError, RejectedError
from fluentpro.config.fields import Table, setting
from fluentpro.config.pin import pin, pinned
from fluentpro.config.snapshot import Candidate, Snapshot
from fluentpro.config.store import Failure, Listener, Outcome, Result, Store
from fluentpro.config.validate import Validator
from tests.config.world import SMALL, Small, World


@dataclass(repr=False)
class Source:
    """Raw values that can be changed, or be an error."""

    site: dict[str, Any] = field(default_factory=dict)
    database: dict[str, Any] = field(default_factory=dict)
    signing: Any = "0123456789abcdef"
    error: Exception | None = None
    loads: int = 0

    def load(self) -> Candidate:
        self.loads += 1
        if self.error:
            raise self.error
        keys = {"signing": self.signing, "issuer": "me"}
        return Candidate(
            "development", {"site": dict(self.site), "database": dict(self.database), "keys": keys}, ()
        )


@dataclass
class Kit:
    """A store that was started over a source, and what it told."""

    source: Source
    store: Store[Small]
    outcomes: list[Outcome[Small]]
    reacted: list[tuple[str, str, str]]

    def listen(self, name: str, then: Callable[[], None] = lambda: None) -> None:
        def react(old: Snapshot[Small], new: Snapshot[Small]) -> None:
            self.reacted.append((name, old.config.site.banner, new.config.site.banner))
            then()

        self.store.listeners.append(Listener(name, react))


@pytest.fixture
def kit() -> Kit:
    source, outcomes = Source(), list[Outcome[Small]]()
    store = Store(
        source.load, SMALL.validate, acknowledge=[outcomes.append], clock=iter(range(1000)).__next__
    )
    store.start()
    return Kit(source, store, outcomes, [])


def fail(text: str = "hunter2") -> None:
    raise ZeroDivisionError(text)


def test_the_first_snapshot_is_generation_one_and_a_second_start_keeps_it(kit: Kit) -> None:
    first = kit.store.start()
    assert kit.store.start() is first is kit.store.snapshot is kit.store.boot
    assert (first.generation, first.loaded_at, kit.source.loads) == (1, 0, 1)
    assert (kit.store.status.snapshot, kit.store.status.error, kit.store.status.pending_restart) == (
        first,
        None,
        (),
    )
    assert kit.outcomes == []


def test_a_store_that_was_not_started_has_no_snapshot() -> None:
    store = Store(Source().load, SMALL.validate)
    for read in ("snapshot", "boot", "status"):
        with pytest.raises(RuntimeError, match="before it was started"):
            getattr(store, read)


def test_a_start_that_fails_tells_everything_and_can_be_tried_again() -> None:
    source = Source(site={"banner": 5, "debug": "x"})
    store = Store(source.load, SMALL.validate)
    with pytest.raises(ConfigError) as caught:
        store.start()
    assert [item.key for item in caught.value.findings] == ["site.banner", "site.debug"]
    source.site.clear()
    assert store.start().generation == 1


def test_a_change_is_swapped_in_and_told(kit: Kit) -> None:
    kit.listen("one")
    old = kit.store.snapshot
    kit.source.site["banner"] = "new"
    outcome = kit.store.reload("file")
    assert (outcome.result, outcome.trigger, outcome.error) == (Result.APPLIED, "file", None)
    assert [(change.key, change.old, change.new) for change in outcome.changes] == [
        ("site.banner", '"Hello"', '"new"')
    ]
    assert kit.store.snapshot is outcome.snapshot
    assert (outcome.snapshot.generation, old.generation) == (2, 1)
    assert outcome.snapshot.digest != old.digest
    assert outcome.snapshot.loaded_at > old.loaded_at
    assert kit.reacted == [("one", "Hello", "new")]
    assert kit.outcomes == [outcome]
    assert outcome.seconds > 0
    assert kit.store.boot is old


def test_what_is_unchanged_is_no_swap_and_no_error(kit: Kit) -> None:
    kit.listen("one")
    old = kit.store.snapshot
    outcome = kit.store.reload()
    assert (outcome.result, outcome.snapshot, outcome.changes) == (Result.UNCHANGED, old, ())
    assert kit.store.snapshot is old
    assert kit.reacted == []
    assert [item.result for item in kit.outcomes] == [Result.UNCHANGED]
    assert not outcome.restored


def test_a_change_that_is_refused_changes_nothing_but_the_status(kit: Kit) -> None:
    kit.listen("one")
    old = kit.store.snapshot
    kit.source.site["banner"] = 5
    outcome = kit.store.reload()
    assert (outcome.result, outcome.snapshot, kit.reacted) == (Result.REFUSED, old, [])
    assert kit.store.snapshot is old
    assert outcome.error
    assert kit.store.status.error is outcome.error
    assert [item.code for item in outcome.error.findings] == ["CFG202"]
    assert kit.store.status.tried_at > old.loaded_at


def test_a_refusal_is_over_when_the_sources_are_good_again(kit: Kit) -> None:
    kit.source.site["banner"] = 5
    first, second = kit.store.reload(), kit.store.reload()
    assert (first.repeated, second.repeated) == (False, True)
    kit.source.site["banner"] = 6
    assert not kit.store.reload().repeated
    del kit.source.site["banner"]
    outcome = kit.store.reload()
    assert (outcome.result, outcome.restored, kit.store.status.error) == (Result.UNCHANGED, True, None)
    kit.source.site["banner"] = "new"
    assert kit.store.reload().snapshot.generation == 2


def test_a_check_may_say_no_before_the_swap(kit: Kit) -> None:
    seen: list[tuple[str, str]] = []

    def check(old: Snapshot[Small] | None, new: Snapshot[Small]) -> Sequence[Diagnostic]:
        assert old
        seen.append((old.config.site.banner, new.config.site.banner))
        return [Diagnostic("CFG501", "database", "not reached")] if new.config.site.banner == "bad" else ()

    kit.store.checks.append(check)
    kit.listen("one")
    old = kit.store.snapshot
    kit.source.site["banner"] = "bad"
    outcome = kit.store.reload()
    assert isinstance(outcome.error, RejectedError)
    assert (outcome.result, kit.store.snapshot, kit.reacted) == (Result.REFUSED, old, [])
    kit.source.site["banner"] = "good"
    assert kit.store.reload().result is Result.APPLIED
    kit.store.reload()
    assert seen == [("Hello", "bad"), ("Hello", "good")], "what is unchanged need not be checked"


def test_every_check_is_asked_and_every_no_is_told(kit: Kit) -> None:
    for name in ("one", "other"):
        kit.store.checks.append(lambda _old, _new, name=name: [Diagnostic("CFG501", name, "not reached")])
    kit.source.site["banner"] = "new"
    error = kit.store.reload().error
    assert error
    assert [item.key for item in error.findings] == ["one", "other"]


def test_a_check_that_raises_refuses_too(kit: Kit) -> None:
    def check(_old: Snapshot[Small] | None, _new: Snapshot[Small]) -> Sequence[Diagnostic]:
        raise ZeroDivisionError("hunter2")

    kit.store.checks.append(check)
    kit.source.site["banner"] = "new"
    outcome = kit.store.reload()
    assert outcome.error
    assert [item.code for item in outcome.error.findings] == ["CFG199"]
    assert "hunter2" not in str(outcome.error)


def test_a_first_snapshot_is_checked_against_none() -> None:
    seen: list[object] = []

    def check(old: Snapshot[Small] | None, _new: Snapshot[Small]) -> Sequence[Diagnostic]:
        seen.append(old)
        return ()

    Store(Source().load, SMALL.validate, checks=[check]).start()
    assert seen == [None]


def test_a_listener_that_raises_neither_undoes_the_swap_nor_stops_the_others(kit: Kit) -> None:
    kit.listen("one", fail)
    kit.listen("other")
    kit.source.site["banner"] = "new"
    outcome = kit.store.reload()
    assert (outcome.result, kit.store.snapshot.config.site.banner) == (Result.APPLIED, "new")
    assert outcome.failures == (Failure("one", "ZeroDivisionError"),) == kit.store.status.failures
    assert [name for name, _, _ in kit.reacted] == ["one", "other"]


def test_a_failure_stays_until_a_swap_went_well(kit: Kit) -> None:
    kit.listen("one", fail)
    kit.source.site["banner"] = "new"
    kit.store.reload()
    kit.store.reload()
    assert kit.store.status.failures, "an unchanged configuration mends nothing"
    kit.store.listeners.clear()
    kit.source.site["banner"] = "newer"
    kit.store.reload()
    assert kit.store.status.failures == ()


def test_whoever_is_told_and_raises_does_no_harm(kit: Kit) -> None:
    kit.store.acknowledge.insert(0, lambda _outcome: fail())
    kit.source.site["banner"] = "new"
    assert kit.store.reload().result is Result.APPLIED
    assert [item.result for item in kit.outcomes] == [Result.APPLIED]
    assert [item.error for item in kit.store.status.failures] == ["ZeroDivisionError"]


def test_what_takes_a_restart_is_pending_until_it_is_back(kit: Kit) -> None:
    kit.source.site["debug"] = True
    kit.source.site["banner"] = "new"
    kit.store.reload()
    assert kit.store.snapshot.config.site.debug
    assert kit.store.status.pending_restart == ("site.debug",)
    kit.source.database["engine"] = "sqlite"
    kit.store.reload()
    assert kit.store.status.pending_restart == ("site.debug",)
    kit.source.site["debug"] = False
    kit.store.reload()
    assert kit.store.status.pending_restart == ()


def test_a_fresh_child_started_with_what_it_inherited(kit: Kit) -> None:
    kit.source.site["debug"] = True
    kit.store.reload()
    kit.store.rebase()
    assert kit.store.boot.config == kit.store.snapshot.config
    assert kit.store.status.pending_restart == ()
    kit.source.site["debug"] = False
    kit.store.reload()
    assert kit.store.status.pending_restart == ("site.debug",)


def test_a_fresh_child_has_tables_that_its_parent_read(kit: Kit) -> None:
    kit.source.site["debug"] = True
    kit.store.reload()
    kit.store.rebase("site")
    assert kit.store.status.pending_restart == ("site.debug",)
    kit.store.rebase(site=kit.store.snapshot.config.site)
    assert kit.store.status.pending_restart == ()


def test_a_child_of_a_process_that_never_started_has_nothing_to_take_over() -> None:
    store = Store(Source().load, SMALL.validate)
    store.rebase()
    assert store.start().generation == 1


def test_a_fork_waits_for_a_reload_and_lets_none_begin(kit: Kit) -> None:
    kit.store.hold()
    thread = threading.Thread(target=kit.store.reload)
    thread.start()
    thread.join(0.05)
    assert thread.is_alive()
    kit.store.release()
    thread.join(5)
    assert [item.result for item in kit.outcomes] == [Result.UNCHANGED]
    kit.store.release()  # once too often does no harm


@pytest.mark.parametrize("error", [ValueError("hunter2"), RecursionError("hunter2"), KeyError("hunter2")])
def test_an_error_that_nobody_foresaw_is_a_finding_and_its_text_is_not_shown(
    kit: Kit, error: Exception
) -> None:
    kit.source.error = error
    outcome = kit.store.reload()
    assert (outcome.result, kit.store.snapshot.generation) == (Result.REFUSED, 1)
    assert outcome.error
    assert "hunter2" not in "".join(traceback.format_exception(outcome.error))
    with pytest.raises(ConfigError) as caught:
        Store(kit.source.load, SMALL.validate).start()
    assert [item.code for item in caught.value.findings] == ["CFG199"]
    assert "hunter2" not in "".join(traceback.format_exception(caught.value))


def test_what_a_store_holds_is_not_seen_in_its_text(kit: Kit) -> None:
    kit.source.signing = "hunter2"  # too short
    kit.source.database["password"] = "hunter3 and more"
    assert kit.store.reload().result is Result.REFUSED
    assert "hunter" not in repr(kit.store)
    assert "hunter" not in repr(kit.store.status)


def test_a_warning_is_kept_and_stops_nothing(world: World) -> None:
    world.write({".secrets.toml": '[database]\npassword = "@vault kv/small#password"\n'})
    sources = world.sources({"ENV_FOR_DYNACONF": "production"})
    snapshot = Store(sources.load, SMALL.validate).start()
    assert [(item.code, item.severity) for item in snapshot.warnings] == [("CFG300", Severity.WARNING)]


class Pair(Table):
    """Two settings that are always the same."""

    left: int = setting(0, meaning="A number.")
    right: int = setting(0, meaning="The same number.")


def test_readers_see_one_whole_snapshot_during_ten_thousand_swaps() -> None:
    numbers = count()

    def load() -> Candidate:
        number = next(numbers)
        return Candidate("development", {"left": number, "right": number}, ())

    store = Store(load, Validator(Pair).validate)
    store.start()
    mixed, reads, done = list[Pair](), [0] * 4, threading.Event()

    def read(number: int) -> None:
        while not done.is_set():
            config = store.snapshot.config
            if config.left != config.right:
                mixed.append(config)
            reads[number] += 1

    readers = [threading.Thread(target=read, args=(number,)) for number in range(len(reads))]
    for reader in readers:
        reader.start()
    for _ in range(10_000):
        store.reload()
    done.set()
    for reader in readers:
        reader.join()
    assert mixed == []
    assert min(reads) > 0
    assert store.snapshot.generation == 10_001


def test_reloads_from_many_threads_happen_one_after_the_other(kit: Kit) -> None:
    busy, overlaps, lock = [0], list[int](), threading.Lock()
    load = kit.store.load

    def slow() -> Candidate:
        with lock:
            busy[0] += 1
            overlaps.append(busy[0])
        threading.Event().wait(0.002)
        with lock:
            busy[0] -= 1
        return load()

    kit.store.load = slow
    threads = [threading.Thread(target=kit.store.reload) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert overlaps == [1] * 8


def test_a_context_is_held_to_one_snapshot_whatever_is_swapped_meanwhile(kit: Kit) -> None:
    with pin(kit.store.snapshot) as held:
        kit.source.site["banner"] = "new"
        kit.store.reload()
        assert pinned.get() is held
        assert held.config.site.banner == "Hello"
        with pin(kit.store.snapshot):
            inner = pinned.get()
        assert inner is kit.store.snapshot
        assert pinned.get() is held
    assert pinned.get() is None
