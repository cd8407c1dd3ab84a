"""The process types that `fluentpro up` runs: started side by side, watched, ended in order."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Final

LOOK: Final = 0.1
"""Seconds between two looks at the children."""
MARGIN: Final = 5.0
"""Seconds that a child may take beyond what the configuration grants it, before it is killed."""
CONNECT: Final = 1.0
"""Seconds for one try to connect to a child."""
FAILED: Final = 1
SIGNALLED: Final = 128
"""Exit status that shells give to what a signal ended, less the signal's number."""
ENDING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(slots=True)
class Child:
    """One process type at a port of its own."""

    name: str
    host: str
    port: int
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def start(self) -> None:
        """Start it, in a process group of its own: each signal reaches it once, through us."""
        from fluentpro.stack.launch import launched

        words = [sys.argv[0], "serve", "--process", self.name, "--port", str(self.port)]
        command = launched(words, signal.SIGTERM)
        self.process = subprocess.Popen(command, process_group=0)  # noqa: S603 # ourselves

    def status(self) -> int | None:
        """Its exit status; None while it runs."""
        return self.process.poll() if self.process else None

    def listens(self) -> bool:
        """Whether it takes connections."""
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        with closing(socket.socket(family)) as probe:
            probe.settimeout(CONNECT)
            return probe.connect_ex((self.host, self.port)) == 0


@dataclass(slots=True)
class Children:
    """All of them. One group is ended after the other: whoever gives out work before whoever does it."""

    groups: Sequence[Sequence[Child]]
    grace: float
    """Seconds that one group may take to end."""
    say: Callable[[str], None]
    asked: int | None = None
    """The signal that asked for the end; None before it came."""
    _forwarded: list[Child] = field(default_factory=list)

    @property
    def all(self) -> Sequence[Child]:
        """Each child."""
        return [child for group in self.groups for child in group]

    def run(self, ready: Callable[[], None]) -> int:
        """Run until a signal comes or a child ends; `ready` is called once all listen. The exit status."""
        with hearing(self._hear):
            for child in self.all:
                child.start()
            waiting = list(self.all)
            while self.asked is None and self._ended() is None:
                if waiting and not (waiting := [child for child in waiting if not child.listens()]):
                    ready()
                time.sleep(LOOK)
            ended = self._ended()
            if ended is not None and self.asked is None:
                self.say(f"{ended.name} has ended with status {ended.status()}: ending the others")
            for group in self.groups:
                self._end(group)
        if self.asked is None and ended is not None:
            return _as_shells_say(ended.status() or FAILED)
        return max(_as_shells_say(child.status() or 0) for child in self.all)

    def _ended(self) -> Child | None:
        return next((child for child in self.all if child.status() is not None), None)

    def _end(self, group: Sequence[Child]) -> None:
        until = time.monotonic() + self.grace + MARGIN
        for child in group:
            self._forward(child, self.asked or signal.SIGTERM)
            self._forwarded.append(child)
        while running := [child for child in group if child.status() is None]:
            if time.monotonic() > until:
                for child in running:
                    self.say(f"{child.name} did not end within {self.grace + MARGIN:g} s: killed")
                    self._forward(child, signal.SIGKILL)
                    child.process and child.process.wait()
            time.sleep(LOOK / 2)

    def _hear(self, sig: int, _frame: object) -> None:
        """The first asks for the end; what comes later hurries whoever was told already."""
        if self.asked is not None:
            for child in self._forwarded:
                self._forward(child, sig)
        # A closed terminal is an end; gunicorn would take it for a reload.
        self.asked = signal.SIGINT if sig == signal.SIGHUP else sig

    def _forward(self, child: Child, sig: int) -> None:
        if child.process and child.process.poll() is None:
            child.process.send_signal(signal.SIGINT if sig == signal.SIGHUP else sig)


@contextmanager
def hearing(hear: Callable[[int, object], None]) -> Iterator[None]:
    """Hear what asks for the end for as long as the block runs."""
    old = {sig: signal.getsignal(sig) for sig in ENDING}
    for sig, handler in old.items():
        if handler is not signal.SIG_IGN:  # as `nohup` wants it
            signal.signal(sig, hear)
    try:
        yield
    finally:
        for sig, handler in old.items():
            signal.signal(sig, handler)


def _as_shells_say(status: int) -> int:
    return SIGNALLED - status if status < 0 else status
