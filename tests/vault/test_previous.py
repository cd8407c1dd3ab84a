"""Previous versions of a secret while the process runs: one that is destroyed is accepted no longer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fluentpro.config.store import Result
from tests.support.waiting import eventually, throughout
from tests.vault.conftest import Bao
from tests.vault.test_keeper import POLL, Process, run


@pytest.fixture
def process(bao: Bao, tmp_path: Path) -> Iterator[Process]:
    """It runs the third version, and accepts the two before it."""
    made = run(bao, tmp_path)
    made.secrets.remember = lambda _raw: 3600
    for key in ("second", "third"):
        made.bao.put(made.mount, "app", key=key)
    eventually(lambda: made.key == "third", within=5)
    text = (tmp_path / "settings.toml").read_text()
    (tmp_path / "settings.toml").write_text(f'{text}old_keys = "@vault {made.mount}/app#key@previous"\n')
    outcome = made.store.reload("file")
    assert outcome.result is Result.APPLIED, str(outcome.error)
    yield made
    made.keeper.stop()


def accepted(process: Process) -> list[str]:
    return [key.get_secret_value() for key in process.store.snapshot.config.app.old_keys]


def test_versions_that_are_asked_for_later_are_read_then(process: Process) -> None:
    """Without a newer version: the document was known, and its history was not."""
    assert accepted(process) == ["second", "first"]


@pytest.mark.parametrize("how", ["deleted", "destroyed"])
def test_one_that_is_taken_away_drops_out_soon_and_the_others_stay(process: Process, how: str) -> None:
    kv = process.bao.root.secrets.kv.v2
    take = kv.delete_secret_versions if how == "deleted" else kv.destroy_secret_versions
    take("app", [2], mount_point=process.mount)
    eventually(lambda: accepted(process) == ["first"], within=5)
    assert process.key == "third"
    done = len(process.outcomes)
    throughout(lambda: len(process.outcomes) == done, 6 * POLL)
    if how == "deleted":
        kv.undelete_secret_versions("app", [2], mount_point=process.mount)
        eventually(lambda: accepted(process) == ["second", "first"], within=5)


def test_the_origin_names_the_version_whatever_became_of_others(process: Process) -> None:
    kv = process.bao.root.secrets.kv.v2
    kv.destroy_secret_versions("app", [1], mount_point=process.mount)
    eventually(lambda: accepted(process) == ["second"], within=5)
    winner = process.store.snapshot.candidate.winner(("app", "key"))
    assert winner
    assert str(winner.origin) == f"vault {process.mount}/app#key@3"


def test_a_newer_version_makes_the_one_before_it_a_previous_one(process: Process) -> None:
    process.bao.put(process.mount, "app", key="fourth")
    eventually(lambda: process.key == "fourth", within=5)
    assert accepted(process) == ["third", "second", "first"]


def test_who_asks_for_no_history_does_not_mind_what_becomes_of_it(bao: Bao, tmp_path: Path) -> None:
    process = run(bao, tmp_path)
    try:
        process.bao.put(process.mount, "app", key="second")
        eventually(lambda: process.key == "second", within=5)
        done = len(process.outcomes)
        process.bao.root.secrets.kv.v2.destroy_secret_versions("app", [1], mount_point=process.mount)
        throughout(lambda: len(process.outcomes) == done, 6 * POLL)
    finally:
        process.keeper.stop()
