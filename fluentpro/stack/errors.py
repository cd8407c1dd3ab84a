"""Why the stack can't start, and what helps."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(eq=False)
class StackError(Exception):
    """The stack can't run. Its texts are safe to show."""

    message: str
    fix: str = ""

    def __str__(self) -> str:
        return f"{self.message}\n        fix: {self.fix}" if self.fix else self.message
