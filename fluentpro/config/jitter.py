"""Chance that spreads load over time."""

from __future__ import annotations

from random import SystemRandom
from typing import Final

_CHANCE: Final = SystemRandom()
"""The system's own: processes forked from one another draw different numbers, and no seed is shared."""


def jitter(low: float, high: float) -> float:
    """A number from `low` to `high`, any as likely as any other."""
    return _CHANCE.uniform(low, high)
