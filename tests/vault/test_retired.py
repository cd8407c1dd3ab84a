"""Replaced credentials: kept while somebody uses them, given back as soon as nobody does."""

from __future__ import annotations

import pytest

from fluentpro.vault.documents import Document
from fluentpro.vault.reference import Location
from fluentpro.vault.retired import LOOK, Retired

OLD = Document(Location("database", "creds/app"), {"username": "old"})
OTHER = Document(Location("database", "creds/other"), {"username": "other"})


@pytest.fixture
def retired() -> Retired:
    """One was replaced at second 100, and has 30 seconds."""
    made = Retired()
    made.add([OLD], 100.0, 30.0)
    return made


def used(_document: Document) -> bool:
    return True


def unused(_document: Document) -> bool:
    return False


def test_what_nobody_uses_is_free_once_it_has_settled(retired: Retired) -> None:
    assert retired.free(100.9, unused) == []
    assert retired.free(101.0, unused) == [OLD]
    assert retired.free(101.0, unused) == [], "given back once"


def test_what_is_used_stays_until_its_time_is_over(retired: Retired) -> None:
    assert retired.free(129.9, used) == []
    assert retired.free(130.0, used) == [OLD]


def test_each_is_judged_for_itself(retired: Retired) -> None:
    retired.add([OTHER], 100.0, 30.0)
    assert retired.free(105.0, lambda document: document is OTHER) == [OLD]
    assert retired.free(105.0, unused) == [OTHER]


def test_one_without_time_is_free_at_once() -> None:
    retired = Retired()
    retired.add([OLD], 100.0, 0.0)
    assert not retired.drain(100.0)
    assert retired.free(100.0, used) == [OLD]


def test_it_is_drained_once_it_has_settled_and_once_half_way(retired: Retired) -> None:
    seen = [second for second in range(100, 131) if retired.drain(second)]
    assert seen == [101, 115]


def test_it_says_when_there_is_something_to_do(retired: Retired) -> None:
    assert retired.due(100.0) == 101.0
    retired.drain(101.0)
    assert retired.due(105.0) == 105.0 + LOOK
    retired.drain(115.0)
    assert retired.due(129.9) == 130.0
    assert Retired().due(0.0) == float("inf")


def test_the_last_of_a_short_time_is_a_drain_before_the_end() -> None:
    retired = Retired()
    retired.add([OLD], 100.0, 0.5)
    assert retired.due(100.0) == 100.25
    assert retired.drain(100.25)
    assert retired.free(100.4, unused) == []
    assert retired.free(100.5, used) == [OLD]


def test_what_is_forgotten_is_another_process_s(retired: Retired) -> None:
    retired.forget()
    assert retired.free(1000.0, unused) == []
