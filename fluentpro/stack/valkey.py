"""Valkey, for the cache, the queue, the channels and the streams."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final

from fluentpro.stack import wheels
from fluentpro.stack.errors import StackError
from fluentpro.stack.server import Server

PASSWORD: Final = "valkey.password"  # noqa: S105 # the name of a file
TIMEOUT: Final = 2.0
"""Seconds for one command."""
CONFIGURATION: Final = """\
bind 127.0.0.1
port {port}
dir "{data}"
requirepass "{password}"
appendonly yes
appendfsync everysec
save 300 1
# A later run knows the process by its command line.
set-proc-title no
"""


@dataclass(slots=True)
class Valkey(Server):
    """A Valkey that keeps what it is told, and asks for a password."""

    name: ClassVar[str] = "valkey"
    title: ClassVar[str] = "Valkey"

    @property
    def password(self) -> str:
        """The password of the stack's own; others may be accepted beside it."""
        return self.folder.password(PASSWORD)

    @property
    def url(self) -> str:
        """Its address, without the password."""
        return f"redis://127.0.0.1:{self.port}"

    def prepare(self) -> None:
        """Write its configuration."""
        self.new = not self.data.is_dir()
        text = CONFIGURATION.format(port=self.port, data=self.data, password=self.password)
        self.folder.write(f"{self.name}/valkey.conf", text)

    def command(self) -> Sequence[str | Path]:
        """The server with its configuration."""
        return (wheels.valkey(), self.data / "valkey.conf")

    def answers(self) -> bool:
        """Whether it takes our password and has read its data."""
        try:
            return self.ask("PING") == "+PONG"
        except OSError:
            return False

    def accept(self, password: str) -> None:
        """Accept another password, beside those that it accepts; until it is started again."""
        if not self.ask("ACL", "SETUSER", "default", f">{password}").startswith("+"):
            raise StackError("Valkey does not take the password that Vault has for it")

    def anonymous(self) -> closing[socket.socket]:
        """A connection that has not given its password. An `OSError` if there is none."""
        return closing(socket.create_connection(("127.0.0.1", self.port), TIMEOUT))

    def ask(self, *words: str) -> str:
        """Send a command; returns the first line of the answer. An `OSError` if there is none."""
        with self.anonymous() as connection:
            connection.sendall(_encoded("AUTH", self.password) + _encoded(*words))
            with connection.makefile("r", encoding="utf-8") as answers:
                login = answers.readline().strip()
                return answers.readline().strip() if login == "+OK" else login


def _encoded(*words: str) -> bytes:
    """A command in the protocol of Redis, RESP."""
    parts = [word.encode() for word in words]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)
