"""How the processes of a fleet share one poll: each has its turn, and all know when."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

SOON: Final = 0.05
"""Part of the period; a turn that is nearer than this was just taken."""


@dataclass(frozen=True, slots=True)
class Share:
    """This process's part of a poll, by the clock that all share.

    With N processes and a period of P seconds the turns repeat every N x P; process number r has the
    moment (r + 1/2) x P of them. So somebody polls every P seconds, however many there are.
    """

    count: int
    """How many processes are alive."""
    rank: int
    """This one's number among them, from 0."""
    ahead: float
    """The shared clock less this process's monotonic clock, in s."""

    def wait(self, period: float, clock: Callable[[], float] = time.monotonic) -> float:
        """Seconds until this process's next turn."""
        cycle = self.count * period
        left = ((self.rank + 0.5) * period - (clock() + self.ahead)) % cycle
        return left if left > SOON * period else left + cycle
