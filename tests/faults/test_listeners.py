"""Fault 14: somebody fails after the swap."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings

from fluentpro.config.snapshot import Snapshot
from fluentpro.config.store import Failure, Listener, Outcome
from fluentpro.schema import Config
from tests.support.inside import Inside

pytestmark = pytest.mark.faults


def fail(*_: Any) -> None:
    raise RuntimeError("with a canary in its text")


@pytest.fixture
def heard(inside: Inside) -> Iterator[list[str]]:
    """Two listeners fail, the first and one in the middle; the last one hears the banners."""
    heard: list[str] = []
    store = inside.runtime.store

    def hear(_: Snapshot[Config], new: Snapshot[Config]) -> None:
        heard.append(new.config.site.banner)

    before = store.listeners
    store.listeners = [
        Listener("first", fail),
        *before,
        Listener("middle", fail),
        Listener("last", hear),
    ]
    yield heard
    store.listeners = before


def test_a_listener_that_fails_is_shown_and_the_swap_stands(
    inside: Inside, heard: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Fault 14."""
    outcome = inside.apply(
        ("site.banner", "swapped"), ("django.allowed_hosts", ["testserver", "new.example"])
    )
    assert outcome.failures == (Failure("first", "RuntimeError"), Failure("middle", "RuntimeError"))
    assert heard == ["swapped"], "the others ran"
    assert settings.ALLOWED_HOSTS == ["testserver", "new.example"]
    with inside.client() as client:
        assert client.get("/api/v1/about").json()["banner"] == "swapped"
        source = client.get("/health", headers=inside.bearer).json()["checks"]["config-source"]
    assert source["status"] == "warn"
    assert source["failed_listeners"] == ["first", "middle"]
    log = capsys.readouterr().out
    events = [json.loads(line) for line in log.splitlines()]
    failed = [line["listener"] for line in events if line["event"] == "config.listener_failed"]
    assert failed == ["first", "middle"]
    assert "canary" not in log


def test_the_next_swap_that_all_take_up_is_good_again(inside: Inside, heard: list[str]) -> None:
    """Fault 14."""
    inside.apply(("site.banner", "failed"))
    inside.runtime.store.listeners = inside.runtime.store.listeners[1:-2]
    inside.apply(("site.banner", "taken up"))
    assert inside.runtime.store.status.failures == ()


def test_an_acknowledgement_that_fails_stops_neither_the_reload_nor_the_others(inside: Inside) -> None:
    """Fault 14: such as a log on a disk that is full."""
    store, told = inside.runtime.store, []
    before = store.acknowledge

    def tell(outcome: Outcome[Config]) -> None:
        told.append(outcome.result.value)

    store.acknowledge = [fail, *before, tell]
    try:
        for count in range(2):
            inside.apply(("site.banner", f"acknowledged {count}"))
    finally:
        store.acknowledge = before
    assert told == ["applied", "applied"]
    assert store.status.failures == (Failure("fail", "RuntimeError"),)
