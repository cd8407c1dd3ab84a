"""One server of the stack: start, until it answers; stop, by its own pid."""

from __future__ import annotations

import signal
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Final

from fluentpro.stack import process
from fluentpro.stack.errors import StackError
from fluentpro.stack.folder import Folder, is_free
from fluentpro.stack.process import Nursery

LONGEST_START: Final = 60.0
"""Seconds that a server may take until it answers; the first time on a slow disk takes a while."""
GRACE: Final = 10.0
"""Seconds that a server has to end, before it is killed."""
LOOK: Final = 0.01
"""Seconds between two looks whether it answers; that its process ended is seen at once."""
ATTEMPTS: Final = 3
"""How often a server is started whose port was taken between our look and its own."""


@dataclass(slots=True)
class Server(ABC):
    """A server that runs while we do; its data stay in the folder of its name."""

    folder: Folder
    nursery: Nursery
    port: int = 0
    new: bool = False
    """Whether this start found no data and began anew."""
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    name: ClassVar[str]
    """Of its folder, its log and its port: `postgresql`."""
    title: ClassVar[str]
    """For people: `PostgreSQL`."""
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM
    refuses_root: ClassVar[bool] = False

    @abstractmethod
    def prepare(self) -> None:
        """Make its data and its configuration, for the port that it has now."""

    @abstractmethod
    def command(self) -> Sequence[str | Path]:
        """How it is started. The path of its folder has to be in it: by that it is known again."""

    @abstractmethod
    def answers(self) -> bool:
        """Whether it serves; does what it takes to make it."""

    @property
    def data(self) -> Path:
        """Where its data are."""
        return self.folder.path / self.name

    @property
    def log(self) -> Path:
        """What it says."""
        return self.folder.path / "log" / f"{self.name}.log"

    @property
    def pid(self) -> int:
        """Its process; a `StackError` if it was not started."""
        if self._process is None:
            raise StackError(f"{self.title} was not started")
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether its process runs."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it and return when it answers; a `StackError` if it does not. One that runs is left alone."""
        if self.alive:
            return
        process.end_left_over(self.folder, self.name, self.stop_signal, GRACE)
        for attempt in range(1, ATTEMPTS + 1):
            self.port = self.folder.port(self.name)
            self.folder.log(self.name)
            try:
                self.prepare()
                self._spawn()
                self._wait()
                return
            except StackError:
                self.stop()
                if attempt == ATTEMPTS or is_free(self.port):
                    raise
            except BaseException:
                self.stop()
                raise

    def stop(self) -> None:
        """Stop it and return when it has ended. One that does not run is left alone."""
        if self._process is not None:
            process.stop(self._process, self.stop_signal, GRACE)
            self._process = None

    def kill(self) -> None:
        """End it as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _spawn(self) -> None:
        owned = self.data if self.refuses_root else None
        self._process = self.nursery.spawn(self.command(), self.log, stop=self.stop_signal, owned=owned)
        process.record(self.folder, self.name, self._process.pid)

    def _wait(self) -> None:
        assert self._process is not None  # noqa: S101 # `_spawn` came before
        until = time.monotonic() + LONGEST_START
        while not self.answers():
            if self.nursery.given_up.is_set():
                raise StackError(f"the start of {self.title} was given up")
            if time.monotonic() > until:
                raise StackError(f"{self.title} did not answer within {LONGEST_START:g} s", f"see {self.log}")
            try:
                self._process.wait(LOOK)
            except subprocess.TimeoutExpired:
                continue
            raise process.failed(self.title, self.log)
