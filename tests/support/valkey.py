"""A real Valkey of a test's own, which can be stopped, frozen, emptied and given another password."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from fluentpro.stack import wheels
from fluentpro.stack.folder import free_port
from tests.support.waiting import eventually


class Valkey:
    """One server on a port of its own. It keeps nothing on disk: a restart empties it."""

    def __init__(
        self, folder: Path, *options: str, password: str = "", port: int = 0, config: Path | None = None
    ) -> None:
        self.folder, self.options, self.password = folder, options, password
        self.config = config
        """A sentinel's; then it is one."""
        self.port = port or free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Its address, without the password."""
        return f"redis://127.0.0.1:{self.port}"

    def start(self) -> Valkey:
        """Start it; returns when it answers."""
        self.folder.mkdir(parents=True, exist_ok=True)
        secret = ("--requirepass", self.password) if self.password else ()
        what = (self.config, "--sentinel") if self.config else ("--save", "", *secret)
        command = [wheels.valkey(), *what, "--bind", "127.0.0.1", "--port", str(self.port)]
        with (self.folder / "valkey.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*command, *self.options], cwd=self.folder, stdout=log, stderr=log, process_group=0
            )
        eventually(lambda: self.ask("PING").endswith("PONG"))
        return self

    def stop(self) -> None:
        """End it at once."""
        if process := self._process:
            self._process = None
            process.send_signal(signal.SIGCONT)
            process.kill()
            process.wait()

    def freeze(self) -> None:
        """Let it hold its connections and answer nothing, as a partition does."""
        assert self._process
        os.kill(self._process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        assert self._process
        os.kill(self._process.pid, signal.SIGCONT)

    def ask(self, *words: str) -> str:
        """Send one command; returns the first line of the answer."""
        with closing(socket.create_connection(("127.0.0.1", self.port), 2)) as connection:
            if self.password:
                connection.sendall(_encoded("AUTH", self.password))
            connection.sendall(_encoded(*words))
            with connection.makefile("r", encoding="utf-8") as answers:
                if self.password and not (login := answers.readline().strip()).startswith("+OK"):
                    return login
                return answers.readline().strip()

    def commands(self) -> int:
        """How many commands it has carried out since its start."""
        with closing(socket.create_connection(("127.0.0.1", self.port), 2)) as connection:
            if self.password:
                connection.sendall(_encoded("AUTH", self.password))
            connection.sendall(_encoded("INFO", "stats"))
            connection.shutdown(socket.SHUT_WR)
            with connection.makefile("r", encoding="utf-8") as answers:
                lines = dict(line.strip().partition(":")[::2] for line in answers)
        return int(lines["total_commands_processed"])


def _encoded(*words: str) -> bytes:
    parts: Sequence[bytes] = [word.encode() for word in words]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)
