"""The folder `.stack`: what the stack keeps between its runs, for its owner's eyes alone."""

from __future__ import annotations

import fcntl
import json
import os
import random
import secrets
import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fluentpro.config.layers import STACK as SETTINGS
from fluentpro.stack.errors import StackError

NAME: Final = ".stack"
LOCK: Final = "lock"
PORTS: Final = (20_000, 32_000)
"""Ports to choose from: below those that systems give to outgoing connections."""
PASSWORD_BYTES: Final = 32

_choosing = threading.Lock()
_held: set[Path] = set()
"""The locks of this process: the kernel's do not stand between two owners in one process."""


@dataclass(frozen=True, slots=True)
class Folder:
    """The folder of one project's stack."""

    path: Path

    def make(self) -> None:
        """Make it, mode 0700; one that others could enter is closed."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self.path.stat().st_mode & 0o066:
            self.path.chmod(0o700)

    def clear(self) -> None:
        """Remove everything but the lock."""
        for item in self.path.iterdir():
            if item.is_dir() and not item.is_symlink():
                shutil.rmtree(item)
            elif item.name != LOCK:
                item.unlink()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder alone; a `StackError` that names the process which holds it."""
        self.make()
        path, owner = self.path / LOCK, os.getpid()
        if path in _held:
            raise taken(owner)
        # Not `flock`: a forked worker would hold that on after we were killed.
        with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+") as file:
            try:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise taken(file.read().strip()) from None
            _held.add(path)
            try:
                file.truncate(0)
                file.write(str(owner))
                file.flush()
                yield
            finally:
                _held.discard(path)
                if owner == os.getpid():  # a forked child that leaves by an exception holds nothing
                    file.truncate(0)

    def holder(self) -> str:
        """The process that holds the folder; empty if none does."""
        path = self.path / LOCK
        if path in _held:
            return str(os.getpid())
        with suppress(FileNotFoundError), path.open("r+") as file:
            try:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                return file.read().strip() or "unknown"
        return ""

    def read(self, name: str) -> str:
        """The text of a private file; empty if there is none."""
        with suppress(FileNotFoundError):
            return (self.path / name).read_text()
        return ""

    def write(self, name: str, text: str) -> Path:
        """Write a private file, mode 0600, whole or not at all; returns its path."""
        path = self.path / name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = path.with_name(f"{path.name}.new")
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(text)
        fresh.replace(path)
        return path

    def password(self, name: str) -> str:
        """The password kept under this name, made the first time."""
        if not (text := self.read(name)):
            text = secrets.token_urlsafe(PASSWORD_BYTES)
            self.write(name, text)
        return text

    def log(self, name: str) -> Path:
        """An empty log file; what the last run wrote is kept beside it, as `.1`."""
        path = self.path / "log" / f"{name}.log"
        if path.exists():
            path.replace(path.with_suffix(".log.1"))
        return self.write(f"log/{name}.log", "")

    def port(self, name: str) -> int:
        """The port kept under this name if it is free, else another, which is kept from now on."""
        with _choosing:
            ports: dict[str, int] = json.loads(self.read("ports.json") or "{}")
            if name not in ports or not is_free(ports[name]):
                ports[name] = free_port(avoid=frozenset(ports.values()))
                self.write("ports.json", json.dumps(ports))
            return ports[name]


def forget_dead(root: Path) -> None:
    """Remove the settings of a stack that was killed: nobody shall wait for servers that are gone."""
    path = root / SETTINGS
    if path.exists() and not Folder(path.parent.resolve()).holder():
        path.unlink(missing_ok=True)


def is_free(port: int) -> bool:
    """Whether a server could listen on this port of 127.0.0.1 now."""
    with closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return True
    return False


def free_port(avoid: frozenset[int] = frozenset()) -> int:
    """A free port of 127.0.0.1, by chance: two stacks that look at once rarely choose the same."""
    for _ in range(1000):
        port = random.randint(*PORTS)  # noqa: S311 # a port is no secret
        if port not in avoid and is_free(port):
            return port
    raise StackError(f"no free port between {PORTS[0]} and {PORTS[1]}", "end what listens there")


def taken(pid: int | str) -> StackError:
    """The report of a stack that somebody runs already."""
    fix = "use that one, or end it with Ctrl-C"
    return StackError(f"the stack runs already: process {pid or 'unknown'} has it", fix)
