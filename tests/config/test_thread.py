"""A thread of one process: started once, revived, woken and ended."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial

import pytest

from fluentpro.config.thread import Loop, stop_all
from tests.support.threads import none_to_be_had
from tests.support.waiting import eventually

SILENT = pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
"""A thread is meant to die here."""


@dataclass
class Work:
    """Counts its turns; ends without a word, or stays away, when it is told to."""

    turns: int = 0
    dies: bool = False
    deaf: threading.Event = field(default_factory=threading.Event)
    """Not set: it does not hear that it is stopped."""
    revived: int = 0

    def __post_init__(self) -> None:
        self.deaf.set()
        self.loop = Loop("the-work", self.run, 0.2, self.count)

    def run(self, stop: threading.Event) -> None:
        while not stop.is_set():
            self.turns += 1
            if self.dies:
                raise SystemExit
            self.loop.rest(3600)
            self.deaf.wait()

    def count(self) -> None:
        self.revived += 1


@pytest.fixture
def work() -> Iterator[Work]:
    made = Work()
    yield made
    made.deaf.set()
    made.loop.stop()


def threads() -> int:
    return sum(thread.name == "the-work" for thread in threading.enumerate())


def test_it_is_started_once_and_ends_when_it_is_told_to(work: Work) -> None:
    assert not work.loop.started
    for _ in range(2):
        work.loop.start()
    assert (threads(), work.loop.started, work.loop.alive) == (1, True, True)
    for _ in range(2):
        work.loop.stop()
    assert (threads(), work.loop.started, work.loop.alive) == (0, False, False)


def test_it_can_be_started_again(work: Work) -> None:
    work.loop.start()
    work.loop.stop()
    work.loop.start()
    eventually(lambda: work.turns == 2)


def test_whoever_wakes_it_ends_its_rest(work: Work) -> None:
    work.loop.start()
    eventually(lambda: work.turns == 1)
    work.loop.wake()
    eventually(lambda: work.turns == 2)


def test_one_that_died_is_started_again_and_one_that_lives_is_not(work: Work) -> None:
    work.loop.start()
    assert work.loop.revive()
    assert (threads(), work.revived) == (1, 0)


@SILENT
def test_the_dead_is_revived_once_there_is_a_thread_to_be_had(work: Work) -> None:
    work.dies = True
    work.loop.start()
    eventually(lambda: not work.loop.alive)
    work.dies = False
    with none_to_be_had():
        assert not work.loop.revive()
    assert work.revived == 0
    assert work.loop.revive()
    assert (work.loop.alive, work.revived) == (True, 1)


def test_what_was_stopped_or_never_started_is_not_revived(work: Work) -> None:
    assert work.loop.revive()
    work.loop.start()
    work.loop.halt()
    eventually(lambda: not threads())
    assert work.loop.revive()
    work.loop.stop()
    assert work.loop.revive()
    assert (threads(), work.revived) == (0, 0)


def test_a_start_without_a_thread_to_be_had_is_no_start(work: Work) -> None:
    with none_to_be_had(), pytest.raises(RuntimeError):
        work.loop.start()
    assert not work.loop.started


def test_many_end_side_by_side_and_none_is_waited_for_longer_than_told() -> None:
    works = [Work() for _ in range(4)]
    for item in works:
        item.loop.start()
        eventually(partial(getattr, item, "turns"))
        item.deaf.clear()
    began = time.monotonic()
    stop_all([item.loop for item in works], 0.3)
    assert 0.25 < time.monotonic() - began < 1.0
    for item in works:
        item.deaf.set()
    eventually(lambda: not threads())


def test_it_may_stop_itself(work: Work) -> None:
    def run(_stop: threading.Event) -> None:
        work.loop.rest(3600)
        work.loop.stop()

    work.loop.run = run
    work.loop.start()
    work.loop.wake()
    eventually(lambda: not work.loop.started)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # that it is done with care is the point
def test_a_child_has_none_and_may_start_its_own(work: Work) -> None:
    work.loop.start()
    child = os.fork()
    if child == 0:  # no assertion of pytest's may run on in the child
        none = not work.loop.started and work.loop.revive() and threading.active_count() == 1
        work.loop.halt()  # not the parent's
        work.loop.start()
        own = work.loop.alive and threading.active_count() == 2
        os._exit(0 if none and own else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert work.loop.alive
