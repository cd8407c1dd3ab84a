"""What a master tells its workers, and they it, without a signal that could be lost."""

from __future__ import annotations

import mmap


class Flag:
    """Raised once, seen by every process that was forked from where it was made."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, 1)

    def hoist(self) -> None:
        """Raise it."""
        self._memory[0] = 1

    def __bool__(self) -> bool:
        return self._memory[0] == 1


draining = Flag()
"""Raised when the master is told to end."""
