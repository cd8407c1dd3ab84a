"""Kept-alive HTTP connections over loopback, and which worker process holds the other end of each."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Self

LENGTH = "content-length"
TIMEOUT = 10.0
"""Seconds that an answer may take."""
BATCH = 16
"""Connections that are opened at once: workers that are asleep do not all wake for a single one."""
BATCHES = 100
NOTHING: Mapping[str, str] = MappingProxyType({})


class NoAnswerError(ConnectionError):
    """The server gave no answer that can be read."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    """By their names in small letters."""
    body: bytes

    def json(self) -> Any:
        """The body as data."""
        return json.loads(self.body)


class Connection:
    """One kept-alive connection to a server on this machine."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), TIMEOUT)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close it; a second time does nothing."""
        self.socket.close()

    @property
    def local_port(self) -> int:
        """Our end's port."""
        port: int = self.socket.getsockname()[1]
        return port

    def ask(self, path: str, headers: Mapping[str, str] = NOTHING) -> Answer:
        """Send a request and read its answer."""
        self.send(path, headers)
        return self.receive()

    def send(self, path: str, headers: Mapping[str, str] = NOTHING) -> None:
        """Send a request."""
        self.socket.sendall(request(path, headers))

    def receive(self) -> Answer:
        """Read the answer to the oldest request that was sent."""
        data = b""
        while b"\r\n\r\n" not in data:
            data += self._more()
        status, headers, rest = parse_head(data)
        if LENGTH not in headers:  # all that is asked here has one; a page for a fault has none
            raise NoAnswerError(f"the server answered {status}, and not how long its answer is")
        length = int(headers[LENGTH])
        while len(rest) < length:
            rest += self._more()
        return Answer(status, headers, rest)

    def _more(self) -> bytes:
        data = self.socket.recv(65536)
        if not data:
            raise NoAnswerError("the server closed the connection")
        return data


def request(path: str, headers: Mapping[str, str] = NOTHING) -> bytes:
    """The bytes of a request."""
    more = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{more}\r\n".encode()


def parse_head(data: bytes) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and what follows them."""
    head, _, rest = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines)
    return int(first.split(" ", 2)[1]), {name.lower(): value.strip() for name, _, value in pairs}, rest


def cover(port: int, workers: Collection[int], path: str, each: int = 1) -> list[Connection]:
    """So many kept-alive connections to every one of a server's worker processes.

    The kernel chooses the worker that takes a connection; so we open some, look who holds their other
    ends, keep what is wanted and go on until nobody is left out.
    """
    held: dict[int, list[Connection]] = {pid: [] for pid in workers}
    try:
        for _ in range(BATCHES):
            batch = [Connection(port) for _ in range(BATCH)]
            for connection in batch:
                connection.send(path)
            for connection in batch:
                connection.receive()
            for connection, pid in holders(port, workers, batch):
                if pid in held and len(held[pid]) < each:
                    held[pid].append(connection)
                else:
                    connection.close()
            if all(len(mine) == each for mine in held.values()):
                return [connection for mine in held.values() for connection in mine]
            time.sleep(0.02)
    except BaseException:
        _close(held)
        raise
    _close(held)
    missing = [pid for pid, mine in held.items() if len(mine) < each]
    raise RuntimeError(f"{len(missing)} of {len(workers)} workers took no connection")


def holders(
    port: int, workers: Collection[int], connections: Collection[Connection]
) -> list[tuple[Connection, int | None]]:
    """Each connection with the worker that holds its other end, as Linux tells in /proc."""
    inodes = _inodes(port)
    owners = {inode: pid for pid in workers for inode in _sockets(pid)}
    return [(mine, owners.get(inodes.get(mine.local_port, ""))) for mine in connections]


def _inodes(port: int) -> dict[int, str]:
    """The inode of the server's end of each connection, by the client's port."""
    found = {}
    for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]:
        fields = line.split()
        local, remote, inode = fields[1], fields[2], fields[9]
        if int(local.partition(":")[2], 16) == port:
            found[int(remote.partition(":")[2], 16)] = inode
    return found


def _sockets(pid: int) -> list[str]:
    found = []
    try:
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            target = str(entry.readlink())
            if target.startswith("socket:["):
                found.append(target.removeprefix("socket:[").removesuffix("]"))
    except OSError:  # it ended, or closed the file, while we looked
        pass
    return found


def _close(held: Mapping[int, Collection[Connection]]) -> None:
    for mine in held.values():
        for connection in mine:
            connection.close()
