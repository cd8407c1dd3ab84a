"""Readers that never stop asking, and what each of them saw."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.support.server import CONTEXT, Server
from tests.support.waiting import eventually


@dataclass
class Seen:
    """What the readers saw so far."""

    answers: list[httpx.Response] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    turns: Counter[int] = field(default_factory=Counter)
    """How many answers each reader got."""

    def grows(self, more: int = 20) -> None:
        """Wait for so many answers more, two of them to each reader: what was asked before is answered."""
        enough, each = len(self.answers) + more, {reader: turns + 2 for reader, turns in self.turns.items()}
        eventually(
            lambda: (
                (
                    len(self.answers) >= enough
                    and all(self.turns[reader] >= turns for reader, turns in each.items())
                )
                or self.failures
            )
        )

    @property
    def bodies(self) -> list[dict[str, Any]]:
        """The JSON of every answer."""
        return [answer.json() for answer in self.answers]

    def values(self, key: str) -> list[Any]:
        """One key of every answer, each value once, in the order in which they came up."""
        return list(dict.fromkeys(body[key] for body in self.bodies))


@contextmanager
def traffic(
    server: Server,
    readers: int = 2,
    path: str = "/api/v1/about",
    headers: Mapping[str, str] | None = None,
) -> Iterator[Seen]:
    """Readers over HTTP; every answer must be a 200, and come."""
    seen, stop = Seen(), threading.Event()
    # A connection of its own for each request: kept ones would stay with one worker.
    headers = {"Connection": "close", **(headers or {})}

    def read() -> None:
        with httpx.Client(base_url=server.url, timeout=10, trust_env=False, verify=CONTEXT) as client:
            while not stop.is_set():
                try:
                    answer = client.get(path, headers=headers)
                except httpx.TransportError as error:
                    seen.failures.append(repr(error))
                else:
                    seen.answers.append(answer)
                    seen.turns[threading.get_ident()] += 1
                    if answer.status_code != 200:
                        seen.failures.append(f"{answer.status_code} {answer.text}")

    with readers_at_work(read, readers, stop):
        seen.grows(readers)
        yield seen
    raised = [line["exception"][-1500:] for line in server.lines() if "exception" in line]
    assert not seen.failures, "\n".join([text[:300] for text in seen.failures[:3]] + raised[-2:])


@contextmanager
def readers_at_work(read: Callable[[], None], count: int, stop: threading.Event) -> Iterator[None]:
    """Threads that read until they are stopped; the first error that one raises is raised here."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            read()
        except BaseException as error:  # noqa: BLE001 # handed on below
            raised.append(error)

    threads = [threading.Thread(target=run, daemon=True) for _ in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(10)
    if raised:
        raise raised[0]
