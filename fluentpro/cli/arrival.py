"""Watching a new version of a secret arrive in every process of the service."""

from __future__ import annotations

import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import click

from fluentpro.config.snapshot import Snapshot
from fluentpro.fleet.announcement import Announcement, Kind
from fluentpro.fleet.channel import Channel
from fluentpro.fleet.looks import looks
from fluentpro.fleet.registry import Process, State
from fluentpro.schema import Config
from fluentpro.vault.reference import Location

EVERY: Final = 0.05
"""Seconds between two looks at a service that has no fleet."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """How far a new version has come."""

    total: int
    late: tuple[str, ...]
    """Whoever does not use it, with the reason; one line each."""
    seconds: float

    @property
    def done(self) -> bool:
        """Whether every process uses it."""
        return self.total > 0 and not self.late


def in_fleet(channel: Channel, place: Location, mark: str, timeout: float) -> Arrival:
    """Tell the fleet of a version, and wait until every process acknowledges it or the time is up."""
    began = time.monotonic()
    channel.announce(Announcement(Kind.SECRET, "fluentpro rotate", {"place": str(place), "mark": mark}))
    processes: tuple[Process, ...] = ()
    with click.progressbar(
        length=1, label=f"version {mark} arrives", file=sys.stderr, hidden=not sys.stderr.isatty()
    ) as bar:
        for processes in looks(channel, began + timeout, every=0.25):
            late = tuple(filter(None, (_reason(item, str(place), mark) for item in processes)))
            bar.length = max(len(processes), 1)
            bar.pos = 0
            bar.update(len(processes) - len(late))
            if processes and not late:
                break
    return Arrival(len(processes), late, time.monotonic() - began)


def _reason(item: Process, place: str, mark: str) -> str:
    """Why a process does not use a version yet; empty if it does."""
    used = item.record.secrets.get(place, "")
    if item.state is State.STALE and item.age_seconds > 1 and not _covers(used, mark):
        return f"{item.process} gave no sign of life for {item.age_seconds:.0f} s"
    if _covers(used, mark):
        return ""
    if item.error:
        return f"{item.process} refused it: {item.error}"
    return f"{item.process} uses {f'version {used}' if used else 'another source for it'}"


def _covers(used: str, wanted: str) -> bool:
    """Whether a mark is a version's or a later one's."""
    number, other = used.partition("-")[0], wanted.partition("-")[0]
    if number.isdigit() and other.isdigit():
        return int(number) >= int(other)
    return bool(used) and used >= wanted  # the moment of a rotation, in ISO 8601


@dataclass(frozen=True, slots=True)
class Here:
    """The service that listens on this machine and has no fleet: its `/metrics` say who runs what."""

    snapshot: Snapshot[Config]

    def running(self) -> dict[str, int]:
        """How many processes run each digest; empty where none answers."""
        server, token = self.snapshot.config.server, self.snapshot.config.operations.token
        host = "127.0.0.1" if server.host in ("0.0.0.0", "::") else server.host  # noqa: S104 # what it listens on
        request = urllib.request.Request(f"http://{host}:{server.port}/metrics")  # always http, to ourselves
        request.add_header("Host", "localhost")
        if token:
            request.add_header("Authorization", f"Bearer {token.get_secret_value()}")
        try:
            with urllib.request.urlopen(request, timeout=2) as answer:  # noqa: S310 # as above
                return _digests(answer.read().decode())
        except (urllib.error.URLError, OSError, ValueError):
            return {}

    def wait(self, before: Mapping[str, int], timeout: float) -> Arrival:
        """Wait until no process runs what ran before, or the time is up."""
        began, now = time.monotonic(), dict[str, int]()
        while time.monotonic() < began + timeout:
            now = self.running()
            if now and not now.keys() & before.keys() and sum(now.values()) >= sum(before.values()):
                break
            time.sleep(EVERY)
        total = max(sum(before.values()), sum(now.values()))
        missing = total - sum(count for digest, count in now.items() if digest not in before)
        late = (f"{missing} of {total} processes run what they ran before",) if missing else ()
        return Arrival(total, late, time.monotonic() - began)


def tell_late(late: Sequence[str]) -> None:
    """Name whoever lags, on standard error."""
    for line in late:
        click.echo(f"        {line}", err=True)


def _digests(page: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for line in page.splitlines():
        if line.startswith("fluentpro_config_info{"):
            labels, _, value = line.rpartition(" ")
            found[labels.partition('digest="')[2].partition('"')[0]] = int(float(value))
    return found
