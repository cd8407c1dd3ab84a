"""What this process knows of the operators' overrides: in memory, replaced whole, read on demand."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from fluentpro.config.overrides import Override
from fluentpro.fleet.ledger import Ledger, LedgerError, NoTableError
from fluentpro.fleet.revision import Revision, Stage
from fluentpro.schema.database import Database

__all__ = ["Override", "Overrides"]


@dataclass(slots=True)
class Overrides:
    """The overrides of one process. Asking what they are reads nothing, but for the very first time."""

    open: Callable[[Database], Ledger]
    """The record in a database."""
    process: str = ""
    """This process's name in the fleet: a canary's list names it."""
    clock: Callable[[], float] = time.time
    problem: str = ""
    """Why they could not be read last time; what was known stays."""
    asked: bool = False
    """Whether the database was asked at all."""
    inherited: bool = False
    """A fork brought what is known, and this process has not looked yet."""
    _live: tuple[Revision, ...] = ()
    _taken: tuple[Override, ...] = ()
    """What the last load of the sources was told."""
    _reading: threading.Lock = field(default_factory=threading.Lock)
    """Held while one reads, so that none puts an older answer over a newer one."""

    def __call__(self, raw: Mapping[str, Any]) -> tuple[Override, ...]:
        """The overrides in force; the first call reads them, where the raw configuration says.

        With a database that can't be asked there are none, and the problem is kept.
        """
        if not self.asked:
            try:
                database = Database.model_validate(raw.get("database", {}))
            except ValidationError:
                return ()  # the candidate is refused for it
            self.refresh(database)
        self._taken = self.given
        return self._taken

    @property
    def given(self) -> tuple[Override, ...]:
        """The overrides in force now, without those that have ended."""
        now, revision = self.clock(), self._chosen
        return tuple(item for item in revision.overrides if not ended(item, now)) if revision else ()

    @property
    def revision(self) -> int:
        """The number of the revision in force; 0 before the first."""
        return self._chosen.number if self._chosen else 0

    def refresh(self, database: Database) -> bool:
        """Read them again, in 2 s or so at most; whether something else is known now. Never raises."""
        with self._reading:
            self.asked, self.inherited = True, False
            try:
                live = self.open(database).live()
            except NoTableError as error:
                self.problem = str(error) if self._live else ""  # what was there does not go with its table
                return False
            except LedgerError as error:
                self.problem = str(error)
                return False
            changed, self._live, self.problem = live != self._live, live, ""
            return changed

    @property
    def stale(self) -> bool:
        """Whether a reload would take something else than the last one did: one came, went or ended."""
        return self.asked and self.given != self._taken

    def after_fork(self) -> None:
        """Keep what the parent knew; whether it still holds is for this process to ask."""
        self._reading, self.inherited = threading.Lock(), self.asked

    def next_end(self) -> float | None:
        """Unix time in s of the next end, or of one that no load has heard of yet; None if none ends."""
        ends = [item.until for item in (*self._taken, *self.given) if item.until is not None]
        return min(ends, default=None)

    @property
    def canary(self) -> bool:
        """Whether this process tries a revision before everyone has it."""
        return self._chosen is not None and self._chosen.stage is Stage.CANARY

    @property
    def _chosen(self) -> Revision | None:
        """The newest that is for this process."""
        for revision in reversed(self._live):
            if revision.stage is Stage.EVERYONE or self.process in revision.canary:
                return revision
        return None


def ended(item: Override, now: float) -> bool:
    """Whether an override is past its end; `now` is Unix time in s."""
    return item.until is not None and item.until <= now
