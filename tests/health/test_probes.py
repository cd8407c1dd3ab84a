"""From verdicts to the three answers, as the table of conditions has them."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from fluentpro.health.check import Status, Verdict, worst
from fluentpro.health.probes import Probes

PASS, WARN, FAIL = Status


@dataclass
class World:
    verdicts: list[Verdict] = field(default_factory=list)
    alive: bool = True
    draining: bool = False

    def probes(self) -> Probes:
        return Probes(lambda: self.verdicts, lambda: self.alive, lambda: self.draining)


@pytest.mark.parametrize(
    ("verdicts", "ready"),
    [
        ([], PASS),
        ([Verdict("a", PASS), Verdict("b", PASS)], PASS),
        ([Verdict("a", PASS), Verdict("b", WARN)], WARN),
        ([Verdict("a", WARN), Verdict("b", FAIL)], FAIL),
        ([Verdict("a", FAIL, required=False)], WARN),
        ([Verdict("a", FAIL, required=False), Verdict("b", FAIL)], FAIL),
    ],
)
def test_ready_is_the_worst_of_what_is_required(verdicts: list[Verdict], ready: Status) -> None:
    assert World(verdicts).probes().ready() is ready
    assert World(verdicts).probes().live() is PASS, "a restart of ours mends no dependency"


def test_draining_is_not_ready_and_alive() -> None:
    probes = World(draining=True).probes()
    assert (probes.live(), probes.ready()) == (PASS, FAIL)


def test_a_thread_that_cannot_be_revived_is_not_alive_and_still_serves() -> None:
    probes = World(alive=False).probes()
    assert (probes.live(), probes.ready()) == (FAIL, WARN)


def test_startup_passes_once_it_was_ready_and_for_good() -> None:
    world = World([Verdict("a", FAIL)])
    probes = world.probes()
    assert probes.startup() is FAIL
    world.verdicts = [Verdict("a", WARN)]
    assert probes.startup() is PASS
    world.verdicts, world.draining = [Verdict("a", FAIL)], True
    assert probes.startup() is PASS


def test_the_worst_of_nothing_is_a_pass() -> None:
    assert worst() is PASS
    assert worst(WARN, PASS, FAIL) is FAIL


def test_a_verdict_is_json_with_its_facts() -> None:
    verdict = Verdict("a", WARN, False, "slow", {"missing": ["b"]}, 0.123456, 3.21)
    assert verdict.as_dict() == {
        "status": "warn",
        "required": False,
        "observation": "slow",
        "seconds": 0.1235,
        "age_seconds": 3.2,
        "missing": ["b"],
    }
