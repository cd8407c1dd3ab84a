"""Fault 15: readers during swaps."""

from __future__ import annotations

import itertools
import sys
import threading
import time
from collections.abc import Iterator

import pytest
from django.conf import settings
from django.core import signing

from fluentpro.config.pin import pin
from fluentpro.config.snapshot import Candidate
from fluentpro.config.store import Result
from fluentpro.process import current
from tests.support.inside import Inside
from tests.support.project import SETTINGS, changed
from tests.support.server import Server
from tests.support.traffic import readers_at_work, traffic
from tests.support.waiting import eventually

pytestmark = pytest.mark.faults
SWAPS = 10_000
LONGEST = 8.0
"""Seconds after which fewer swaps have to do: a measured or busy machine is slow at them."""
READ = ("SECRET_KEY", "SECRET_KEY_FALLBACKS", "ALLOWED_HOSTS", "CACHES", "DATABASES", "EMAIL_HOST", "DEBUG")


@pytest.fixture
def flipping(inside: Inside) -> Iterator[None]:
    """Each reload finds the other of two candidates; name, banner, hosts and mail host agree in both."""
    candidates: list[Candidate] = []
    for word in ("one", "two"):
        text = inside.project.read()
        for key, value in (
            ("site.name", word),
            ("site.banner", word),
            ("django.allowed_hosts", [f"{word}.example", "testserver"]),
            ("email.host", f"{word}.example"),
        ):
            text = changed(text, key, value)
        inside.project.replace(SETTINGS, text)
        candidates.append(inside.runtime.sources.load())
    store, before, turn = inside.runtime.store, inside.runtime.store.load, itertools.cycle(candidates)
    store.load = lambda: next(turn)
    store.reload("test")
    quiet, store.acknowledge = store.acknowledge, []
    interval = sys.getswitchinterval()
    sys.setswitchinterval(interval / 5)  # threads change places as often as they can
    yield
    sys.setswitchinterval(interval)
    store.load, store.acknowledge = before, quiet


@pytest.mark.usefixtures("flipping")
def test_no_reader_in_the_process_sees_two_snapshots_or_none(inside: Inside) -> None:
    """Fault 15."""
    store, stop, seen = inside.runtime.store, threading.Event(), set()

    def read_pinned() -> None:
        while not stop.is_set():
            with pin(store.snapshot):
                first = current().site.name
                settings.EMAIL_HOST  # noqa: B018 # gives another thread its turn
                assert current().site.banner == first
                seen.add(first)

    def read_django() -> None:
        while not stop.is_set():
            for name in READ:
                getattr(settings, name)  # raises where it is missing
            assert "testserver" in settings.ALLOWED_HOSTS
            assert signing.loads(signing.dumps("kept")) == "kept"

    with readers_at_work(read_pinned, 1, stop), readers_at_work(read_django, 2, stop):
        until, swaps = time.monotonic() + LONGEST, 0
        while swaps < SWAPS and time.monotonic() < until:
            assert store.reload("test").result is Result.APPLIED
            swaps += 1
    assert swaps > 100
    assert {"one", "two"} <= seen


def test_no_request_sees_two_snapshots(server: Server) -> None:
    """Fault 15: over HTTP, while the files change all the time."""
    with traffic(server, readers=3) as seen:
        for count in range(60):
            text = server.project.original(SETTINGS)
            for key in ("site.name", "site.banner"):
                text = changed(text, key, f"word {count}")
            server.project.replace(SETTINGS, text)
            seen.grows(3)
        eventually(lambda: server.serves("word 59"))
    words = set()
    for answer in seen.answers:
        body = answer.json()
        assert answer.headers["X-Config-Digest"] == body["config"]["digest"]
        if body["name"] != "FluentPro":
            assert body["name"] == body["banner"]
            words.add(body["name"])
    assert len(words) > 10, "it was read while it changed"
    digests = {(body["banner"], body["config"]["digest"]) for body in seen.bodies}
    assert len(digests) == len(dict(digests)), "a digest stands for one configuration, in every worker"
