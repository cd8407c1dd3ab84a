"""The background checker: what becomes of a dependency that answers, fails, hangs and comes back."""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field

import pytest

from fluentpro.health.check import Check, Observation, Status, Verdict
from fluentpro.health.checker import Checker, Timing
from tests.support.threads import none_to_be_had
from tests.support.waiting import eventually, throughout

SILENT = pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
"""A thread is meant to die here."""
PASS, FAIL = Observation(Status.PASS, "answers"), Observation(Status.FAIL, "is down")


@dataclass
class Dependency:
    """Answers as it is told to, one try at a time; at the end of its answers it goes on with the last."""

    told: queue.SimpleQueue[Observation | type[BaseException]] = field(default_factory=queue.SimpleQueue)
    last: Observation | type[BaseException] = PASS
    tries: int = 0
    hangs: threading.Event = field(default_factory=threading.Event)
    """Set: it answers. Not set: it hangs."""
    at_once: int = 0
    most: int = 0

    def observe(self) -> Observation:
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        self.hangs.wait()
        self.tries += 1
        self.at_once -= 1
        with suppress(queue.Empty):
            self.last = self.told.get_nowait()
        if isinstance(self.last, type):
            raise self.last("with a canary in its text")
        return self.last


@pytest.fixture
def dependency() -> Dependency:
    found = Dependency()
    found.hangs.set()
    return found


@pytest.fixture
def timing() -> Timing:
    return Timing(interval=0.02, timeout=0.2, tolerance=2)


@pytest.fixture
def checker(dependency: Dependency, timing: Timing) -> Iterator[Checker]:
    made = Checker([Check("it", dependency.observe)], lambda: timing)
    yield made
    dependency.hangs.set()
    made.stop()


def verdict(checker: Checker) -> Verdict:
    (found,) = checker.verdicts()
    return found


def statuses(
    checker: Checker, dependency: Dependency, *answers: Observation | type[BaseException]
) -> list[str]:
    """The status after each try, for a dependency that answers so."""
    seen: list[str] = []
    checker.told = lambda verdict: seen.append(verdict.status.value)
    for answer in answers:
        dependency.told.put(answer)
    checker.start()
    eventually(lambda: len(seen) >= len(answers))
    return seen[: len(answers)]


def test_before_the_first_try_ends_nothing_is_known_and_that_is_not_ready(
    checker: Checker, dependency: Dependency
) -> None:
    assert checker.verdicts() == ()
    dependency.hangs.clear()
    checker.start()
    assert (verdict(checker).status, verdict(checker).text) == (Status.FAIL, "not tried yet")


def test_the_first_verdict_ever_needs_no_second(checker: Checker, dependency: Dependency) -> None:
    assert statuses(checker, dependency, FAIL, FAIL, PASS) == ["fail", "fail", "pass"]


def test_one_failure_is_a_warning_and_as_many_as_tolerated_are_down(
    checker: Checker, dependency: Dependency
) -> None:
    answers = (PASS, FAIL, PASS, FAIL, FAIL, FAIL, PASS)
    assert statuses(checker, dependency, *answers) == ["pass", "warn", "pass", "warn", "fail", "fail", "pass"]


@pytest.mark.parametrize("timing", [Timing(0.02, 0.2, 3)])
def test_the_tolerance_is_a_setting(checker: Checker, dependency: Dependency) -> None:
    assert statuses(checker, dependency, PASS, FAIL, FAIL, FAIL) == ["pass", "warn", "warn", "fail"]


def test_a_check_that_raises_has_failed_and_its_text_is_not_shown(
    checker: Checker, dependency: Dependency
) -> None:
    assert statuses(checker, dependency, ValueError) == ["fail"]
    assert verdict(checker).text == "raised ValueError"


@pytest.mark.parametrize("timing", [Timing(0.15, 0.1, 2)])
def test_a_try_that_hangs_fails_at_its_deadline_and_once_more_each_interval(
    checker: Checker, dependency: Dependency
) -> None:
    assert statuses(checker, dependency, PASS) == ["pass"]
    dependency.hangs.clear()
    seen = [verdict(checker).status]
    until = time.monotonic() + 1.5
    while seen[-1] is not Status.FAIL and time.monotonic() < until:
        seen.append(verdict(checker).status)
    assert list(dict.fromkeys(seen)) == [Status.PASS, Status.WARN, Status.FAIL]
    assert verdict(checker).text.startswith("no answer for 0.")
    dependency.hangs.set()
    eventually(lambda: verdict(checker).status is Status.PASS)
    assert dependency.most == 1, "never two tries at once"


def test_reading_waits_for_nothing_and_starts_no_thread(checker: Checker, dependency: Dependency) -> None:
    dependency.hangs.clear()
    checker.start()
    before = threading.active_count()
    for _ in range(10_000):
        checker.verdicts()
    assert threading.active_count() == before


def test_an_interval_that_is_shortened_is_in_use_at_once(dependency: Dependency) -> None:
    now = Timing(interval=3600)
    checker = Checker([Check("it", dependency.observe)], lambda: now)
    checker.start()
    eventually(lambda: dependency.tries == 1)
    now = Timing(interval=0.05)
    eventually(lambda: dependency.tries > 2)
    checker.stop()


def test_the_age_is_that_of_the_last_answer(checker: Checker, dependency: Dependency) -> None:
    statuses(checker, dependency, PASS)
    dependency.hangs.clear()
    eventually(lambda: verdict(checker).age > 0.3)
    dependency.hangs.set()
    eventually(lambda: verdict(checker).age < 0.3)


def test_starting_twice_is_starting_once(checker: Checker) -> None:
    checker.start()
    before = threading.active_count()
    checker.start()
    assert threading.active_count() == before


def test_stopping_waits_for_no_dependency_for_long(checker: Checker, dependency: Dependency) -> None:
    dependency.hangs.clear()
    checker.start()
    began = time.monotonic()
    checker.stop()
    assert time.monotonic() - began < 5
    checker.stop()


def test_whoever_is_told_and_fails_does_not_end_the_checks(checker: Checker, dependency: Dependency) -> None:
    def fail(_: Verdict) -> None:
        raise RuntimeError

    checker.told = fail
    checker.start()
    eventually(lambda: dependency.tries > 3)


@SILENT
def test_a_thread_that_died_is_started_again(checker: Checker, dependency: Dependency) -> None:
    dependency.told.put(SystemExit)  # ends a thread without a word
    dependency.told.put(PASS)
    checker.start()
    eventually(lambda: not any(thread.name == "health-it" for thread in threading.enumerate()))
    assert checker.revive()
    eventually(lambda: verdict(checker).status is Status.PASS)


@SILENT
def test_a_thread_that_cannot_be_started_again_is_told(checker: Checker, dependency: Dependency) -> None:
    dependency.told.put(SystemExit)
    dependency.told.put(PASS)
    checker.start()
    eventually(lambda: not any(thread.name == "health-it" for thread in threading.enumerate()))
    with none_to_be_had():
        assert not checker.revive()
    assert checker.revive()


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # that it is done with care is the point
def test_a_child_has_to_start_its_own(checker: Checker, dependency: Dependency) -> None:
    checker.start()
    eventually(lambda: verdict(checker).status is Status.PASS)
    parent, reader = os.getpid(), os.pipe()
    if os.fork() == 0:
        assert os.getpid() != parent
        checker.stop()  # not the parent's
        alone = threading.active_count() == 1 and checker.revive() and threading.active_count() == 1
        os.write(reader[1], b"y" if alone else b"n")
        os._exit(0)
    os.wait()
    assert os.read(reader[0], 1) == b"y"
    for end in reader:
        os.close(end)
    throughout(lambda: verdict(checker).status is Status.PASS, 0.1)
