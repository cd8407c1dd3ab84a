"""The watch of a process: what it survives, what it says of itself, and that it leaves nothing behind."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from fluentpro.config.layers import Sources
from fluentpro.config.runtime import Runtime
from fluentpro.config.store import Outcome, Result
from fluentpro.config.watch import Pace
from fluentpro.process import make_runtime, sources
from fluentpro.schema import Config
from fluentpro.web import health
from tests.support.project import SETTINGS, Project, changed
from tests.support.threads import none_to_be_had
from tests.support.waiting import eventually

SILENT = pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
"""A thread is meant to die here."""


class Fragile(Sources):
    """Sources whose next look at the files fails with this error."""

    def fingerprint(self) -> Any:
        """The look."""
        if failures:
            raise failures[0]
        return super().fingerprint()


failures: list[BaseException] = []


@pytest.fixture
def warnings() -> list[tuple[str, str]]:
    """What the runtime warned of."""
    return []


@pytest.fixture
def runtime(project: Project, warnings: list[tuple[str, str]]) -> Iterator[Runtime[Config]]:
    """A runtime over the project, started."""
    found = sources({"ENV_FOR_DYNACONF": "testing"}, project.root)
    fragile = Fragile(found.root, found.environ, found.schema, found.environments, found.guarded)
    made = make_runtime(fragile)
    made = replace(made, warn=lambda event, cause: warnings.append((event, cause)))
    made.store.start()
    made.start()
    eventually(lambda: made.looked_at)
    yield made
    failures.clear()
    made.stop()


def applied(runtime: Runtime[Config], banner: str) -> bool:
    return runtime.store.snapshot.config.site.banner == banner


def watches() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "config-watch"]


def test_starting_twice_is_starting_once_and_stopping_ends_the_thread(runtime: Runtime[Config]) -> None:
    runtime.start()
    assert len(watches()) == 1
    runtime.stop()
    assert not watches()
    runtime.stop()
    assert not runtime.started
    assert runtime.revive(), "what was never started need not be alive"
    assert not watches()


def test_it_can_be_started_again(project: Project, runtime: Runtime[Config]) -> None:
    runtime.stop()
    project.set("site.banner", "while nobody watched")
    runtime.start()
    eventually(lambda: applied(runtime, "while nobody watched"))


@SILENT
def test_a_watch_that_died_is_started_again_by_whoever_asks_for_it(
    project: Project, runtime: Runtime[Config], warnings: list[tuple[str, str]]
) -> None:
    failures.append(SystemExit())  # ends a thread without a word
    project.touch()
    eventually(lambda: not watches())
    failures.clear()
    project.set("site.banner", "while it was dead")
    assert runtime.revive()
    eventually(lambda: applied(runtime, "while it was dead"))
    assert warnings == [("config.watch_restarted", "its thread had died")]


@SILENT
def test_a_watch_that_cannot_be_started_again_is_told(project: Project, runtime: Runtime[Config]) -> None:
    failures.append(SystemExit())
    project.touch()
    eventually(lambda: not watches())
    failures.clear()
    with none_to_be_had():
        assert not runtime.revive()
    assert runtime.revive()


def test_a_watch_that_fails_is_told_once_goes_on_and_says_so_in_health(
    project: Project, runtime: Runtime[Config], warnings: list[tuple[str, str]]
) -> None:
    failures.append(RuntimeError("with a canary in its text"))
    project.touch()
    eventually(lambda: runtime.trouble == "RuntimeError")
    assert health.config_source(runtime).text == "the files can't be looked at: RuntimeError"
    eventually(lambda: len(watches()) == 1)
    failures.clear()
    project.set("site.banner", "after it failed")
    eventually(lambda: applied(runtime, "after it failed"))
    eventually(lambda: not runtime.trouble)
    assert warnings == [("config.watch_restarted", "RuntimeError")]


def test_the_age_of_the_source_is_the_time_since_somebody_looked(
    project: Project, warnings: list[tuple[str, str]]
) -> None:
    project.set("reload.poll_interval", 0.05, "settings.local.toml")
    made = make_runtime(sources({"ENV_FOR_DYNACONF": "testing"}, project.root))
    made.store.start()
    made.start()
    try:
        tried = eventually(lambda: made.store.status.tried_at)
        first = eventually(lambda: made.looked_at)
        eventually(lambda: made.looked_at and made.looked_at > first + 0.3)
        assert health.config_source(made).age < 0.3
        assert made.store.status.tried_at - tried < 0.3, "a look at what is as it was is no try"
    finally:
        made.stop()


def test_files_that_nobody_looks_at_any_more_are_a_warning(runtime: Runtime[Config]) -> None:
    assert runtime.looked_at
    runtime.looked_at -= 700  # a hundred seconds more than the interval
    verdict = health.config_source(runtime)
    assert (verdict.status, verdict.ready) == ("warn", "warn")
    assert verdict.text.startswith("the files were not looked at for 7")


def test_the_pace_is_the_one_it_started_with(project: Project, runtime: Runtime[Config]) -> None:
    """Else a watch that was restarted would use a value that is listed as pending."""
    project.set("reload.settle", 0.01, "settings.local.toml")
    eventually(lambda: runtime.store.status.pending_restart == ("reload.settle",))
    assert runtime.pace(runtime.store.boot.config) == Pace(0.005, 0.05, 600.0)


def test_a_fault_of_our_own_is_a_refusal_and_stops_nothing(project: Project) -> None:
    """Whatever a file may hold that nobody thought of."""
    made, told = make_runtime(sources({"ENV_FOR_DYNACONF": "testing"}, project.root)), []
    made.store.start()
    load = made.store.load

    def fail() -> Any:
        raise RecursionError("with a canary in its text")

    def tell(outcome: Outcome[Config]) -> None:
        told.append((outcome.result, outcome.repeated, outcome.restored))

    made.store.acknowledge = [tell]
    made.store.load = fail
    for _ in range(2):
        outcome = made.store.reload("test")
        assert outcome.error
        (finding,) = outcome.error.findings
        assert finding.code == "CFG199"
        assert finding.message.startswith("a fault in FluentPro itself: RecursionError at test_runtime.py:")
        assert "canary" not in str(outcome.error)
    made.store.load = load
    assert made.store.reload("test").result is Result.UNCHANGED
    assert told == [
        (Result.REFUSED, False, False),
        (Result.REFUSED, True, False),
        (Result.UNCHANGED, False, True),
    ]


def test_the_same_error_in_other_content_is_another_refusal(project: Project) -> None:
    made = make_runtime(sources({"ENV_FOR_DYNACONF": "testing"}, project.root))
    made.store.start()
    wrong = changed(project.read(), "api.page_size", -1)
    repeated = []
    for banner in ("one", "one", "two"):
        project.replace(SETTINGS, changed(wrong, "site.banner", banner))
        repeated.append(made.store.reload("test").repeated)
    assert repeated == [False, True, False], "whoever saved again wants to hear of it"
