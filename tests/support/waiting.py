"""Waiting for what is to come: a condition is asked again and again, until it holds or time is up."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import httpx

T = TypeVar("T")


def eventually(condition: Callable[[], T], within: float = 20.0, every: float = 0.01) -> T:
    """The condition's first true answer; fails with its last word if there is none `within` so many s."""
    until, last = time.monotonic() + within, ""
    while True:
        try:
            answer = condition()
        except (AssertionError, LookupError, OSError, httpx.TransportError) as error:
            last = f"{type(error).__name__}: {error}"
        else:
            if answer:
                return answer
            last = repr(answer)
        assert time.monotonic() < until, f"not within {within:g} s: {last}"
        time.sleep(every)


def throughout(condition: Callable[[], object], seconds: float, every: float = 0.01) -> None:
    """Fail if the condition does not hold each time it is asked, for so many s."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        assert condition()
        time.sleep(every)
