"""A fleet's ways to spare the Vault: another pace, what was found told on, what others found taken up."""

from __future__ import annotations

import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from fluentpro.config.store import Result
from fluentpro.vault.documents import Document
from fluentpro.vault.keeper import Keeper
from fluentpro.vault.reference import Location
from fluentpro.vault.secrets import Secrets
from tests.support.waiting import eventually, throughout
from tests.vault.conftest import Bao, Rude, reply
from tests.vault.test_keeper import POLL, Process, run

OWN = Location("database", "creds/app")


@pytest.fixture
def process(bao: Bao, tmp_path: Path) -> Iterator[Process]:
    made = run(bao, tmp_path)
    yield made
    made.keeper.stop()


@pytest.fixture
def patient(process: Process) -> Process:
    """A process that asks for nothing by itself any more."""
    process.keeper.pace = lambda _interval: 3600.0
    sent = process.secrets.connect().requests
    eventually(lambda: process.secrets.connect().requests > sent)
    throughout(lambda: process.secrets.stale == set(), 3 * POLL)
    return process


def place(process: Process) -> Location:
    return Location(process.mount, "app")


def test_the_pace_is_asked_for_with_the_configured_interval(process: Process) -> None:
    asked: list[float] = []

    def pace(interval: float) -> float:
        asked.append(interval)
        return 0.02

    process.keeper.pace = pace
    eventually(lambda: len(asked) > 3)
    assert set(asked) == {POLL}


def test_whoever_asks_for_nothing_sees_nothing_until_somebody_says_so(patient: Process) -> None:
    patient.bao.put(patient.mount, "app", key="second")
    throughout(lambda: patient.key == "first", 5 * POLL)
    patient.keeper.look(place(patient))
    eventually(lambda: patient.key == "second", within=3)
    assert [outcome.result for outcome in patient.outcomes] == [Result.APPLIED]


def test_what_is_held_already_or_nobody_refers_to_is_not_read(patient: Process) -> None:
    before = patient.secrets.connect().requests
    patient.keeper.look(place(patient), patient.secrets.documents[place(patient)].mark)
    patient.keeper.look(Location(patient.mount, "another"), "7")
    throughout(lambda: patient.secrets.connect().requests == before, 5 * POLL)
    patient.bao.put(patient.mount, "app", key="second")
    patient.keeper.look(place(patient), "2")
    eventually(lambda: patient.key == "second", within=3)


def test_a_credential_that_is_a_process_s_own_is_not_taken_on_hearsay(patient: Process) -> None:
    patient.secrets.documents |= {OWN: Document(OWN, {})}
    patient.keeper.look(OWN)
    patient.keeper.look(place(patient))
    eventually(lambda: patient.outcomes)
    assert OWN not in patient.secrets.stale


def test_what_was_refused_is_tried_again_at_once_when_there_is_news(patient: Process) -> None:
    patient.bao.root.secrets.kv.v2.delete_latest_version_of_secret("app", mount_point=patient.mount)
    patient.keeper.look(place(patient))
    eventually(lambda: patient.store.status.error, within=3)
    patient.keeper._again = float("inf")  # by itself, it would not try again
    patient.bao.put(patient.mount, "app", key="third")
    patient.keeper.look(place(patient), "2")
    eventually(lambda: patient.key == "third", within=3)


def test_a_newer_mark_is_told_once_before_it_is_read(process: Process) -> None:
    told: list[tuple[Location, str, str]] = []
    process.keeper.found = lambda where, mark: told.append((where, mark, process.key))
    process.bao.put(process.mount, "app", key="second")
    eventually(lambda: process.key == "second", within=3)
    throughout(lambda: told == [(place(process), "2", "first")], 5 * POLL)


def test_whoever_is_told_and_fails_does_not_end_the_look(process: Process) -> None:
    def fail(_where: Location, _mark: str) -> None:
        raise RuntimeError

    process.keeper.found = fail
    process.bao.put(process.mount, "app", key="second")
    eventually(lambda: process.key == "second", within=3)
    assert process.warnings == []


@pytest.mark.parametrize(("asked", "least"), [("1", 1.0), ("86400", 30.0)])
def test_a_vault_that_asks_for_patience_is_left_alone_for_as_long_but_not_for_ever(
    rude: Rude, asked: str, least: float
) -> None:
    """Also by those who were told of news: the thread is woken, and asks for nothing."""

    def busy(handler: BaseHTTPRequestHandler) -> None:
        token = b'{"data": {"ttl": 0}}'
        if "lookup-self" in handler.path:
            reply(handler, 200, token)
        else:
            reply(handler, 429, b"{}", Retry_After=asked)

    rude.answer = busy
    secrets = Secrets({"VAULT_ADDR": rude.url, "VAULT_TOKEN": "root"})
    secrets.session.adopt(
        secrets.vault.model_copy(update={"enabled": True, "poll_interval": POLL, "timeout": 0.5})
    )
    where = Location("kv", "app")
    secrets.documents = {where: Document(where, {}, 1)}
    keeper = Keeper(secrets, lambda: None, lambda: 0.0)
    keeper.start()
    try:
        eventually(lambda: None in secrets.problems)
        sent, until = len(rude.asked), time.monotonic() + min(least, 1.5) - 0.2
        while time.monotonic() < until:
            keeper.look(where)
            assert len(rude.asked) == sent
            time.sleep(0.01)
        assert keeper._quiet_until - time.monotonic() <= 60, "capped"
        if asked == "1":
            eventually(lambda: len(rude.asked) > sent, within=3)
    finally:
        keeper.stop()


def test_a_doubt_is_looked_into_at_once_however_rarely_versions_are_asked_for(
    patient: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The password of a static user was changed behind our back, and a connection was refused."""
    static = Location("database", "static-creds/app")
    rotated = ["2026-01-01T00:00:00Z"]

    def newest_there(_connection: object, where: Location, *, history: bool = False) -> str:
        assert where == static
        assert not history
        return rotated[0]

    monkeypatch.setattr("fluentpro.vault.keeper.newest", newest_there)
    patient.secrets.documents |= {static: Document(static, {}, rotated=rotated[0])}
    patient.keeper.doubt()
    throughout(lambda: static not in patient.secrets.stale, 3 * POLL)
    told: list[str] = []
    patient.keeper.found = lambda where, _mark: told.append(str(where))
    rotated[0] = "2026-01-02T00:00:00Z"
    patient.keeper.doubt()
    eventually(lambda: told == [str(static)], within=3)
