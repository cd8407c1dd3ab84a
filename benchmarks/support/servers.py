"""Real servers with real worker processes, ended by their own process id."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, Queue
from types import MappingProxyType

from benchmarks.support.connections import Connection, cover
from benchmarks.support.projects import Project

ABOUT = "/api/v1/about"
BOOT = 60.0
"""Seconds that a server may take to start."""
END = 15.0
"""Seconds that it may take to end."""
KEEPALIVE = 600
"""Seconds: longer than any benchmark, so that no connection is closed for its idleness."""

THREADS = 4
"""Threads in each worker."""
NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(slots=True)
class Server:
    """A running server: its master, its workers, what it says."""

    process: subprocess.Popen[bytes]
    port: int
    workers: int
    applied: Queue[float] = field(default_factory=Queue)
    """The moment (monotonic, s) of each line that says a worker applied a change."""
    tail: deque[bytes] = field(default_factory=lambda: deque(maxlen=30))

    def pids(self) -> list[int]:
        """The worker processes."""
        return _children(self.process.pid)

    def cover(self, path: str = ABOUT, each: int = 1) -> list[Connection]:
        """Connections to every worker; waits until all of them serve."""
        deadline = time.monotonic() + BOOT
        while len(pids := self.pids()) != self.workers:
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise RuntimeError(f"{len(pids)} of {self.workers} workers run:\n{self.said()}")
            time.sleep(0.02)
        return cover(self.port, pids, path, each)

    def said(self) -> str:
        """The last lines of its log."""
        return b"".join(self.tail).decode(errors="replace")

    def forget_applied(self) -> None:
        """Leave what was applied until now behind."""
        with suppress(Empty):
            while True:
                self.applied.get_nowait()

    def read_log(self) -> None:
        """Read what it says until it ends; a thread's work."""
        assert self.process.stdout  # noqa: S101 # it was started with a pipe
        for line in self.process.stdout:
            if b'"config.applied"' in line:
                self.applied.put(time.monotonic())
            self.tail.append(line)


@contextmanager
def fluentpro(project: Project, workers: int, *, variables: Mapping[str, str] = NOTHING) -> Iterator[Server]:
    """`fluentpro serve` in a project."""
    port = free_port()
    server = {
        "FLUENTPRO_SERVER__WORKERS": str(workers),
        "FLUENTPRO_SERVER__THREADS": str(THREADS),
        "FLUENTPRO_SERVER__KEEPALIVE": str(KEEPALIVE),
        "FLUENTPRO_SERVER__PORT": str(port),
    }
    command = [str(Path(sys.executable).with_name("fluentpro")), "serve"]
    with _running(command, project, {**server, **variables}, port, workers) as running:
        yield running


@contextmanager
def gunicorn(project: Project, workers: int, *, variables: Mapping[str, str] = NOTHING) -> Iterator[Server]:
    """A plain Django project behind gunicorn, which is told what FluentPro tells it."""
    port = free_port()
    options = {
        "--bind": f"127.0.0.1:{port}",
        "--workers": str(workers),
        "--worker-class": "gthread",
        "--threads": str(THREADS),
        "--keep-alive": str(KEEPALIVE),
        "--worker-tmp-dir": "/dev/shm",  # noqa: S108 # the system's own shared memory
    }
    command = [sys.executable, "-m", "gunicorn", *(part for pair in options.items() for part in pair)]
    command += ["--no-control-socket", "plain.wsgi:application"]
    with _running(command, project, variables, port, workers) as running:
        yield running


def free_port() -> int:
    """A TCP port of this machine that nobody listens on."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for_end(pids: Collection[int], seconds: float) -> None:
    """Wait until each of some processes, not our own children, has ended."""
    deadline = time.monotonic() + seconds
    poll = select.poll()
    opened = []
    try:
        for pid in pids:
            with suppress(ProcessLookupError):
                opened.append(os.pidfd_open(pid))
        for handle in opened:
            poll.register(handle, select.POLLIN)
        left = set(opened)
        while left:
            ended = poll.poll(max(deadline - time.monotonic(), 0) * 1000)
            if not ended:
                raise TimeoutError(f"{len(left)} processes have not ended within {seconds} s")
            for handle, _ in ended:
                poll.unregister(handle)
                left.discard(handle)
    finally:
        for handle in opened:
            os.close(handle)


@contextmanager
def _running(
    command: Sequence[str], project: Project, variables: Mapping[str, str], port: int, workers: int
) -> Iterator[Server]:
    process = subprocess.Popen(
        command,
        cwd=project.folder,
        env={**project.environ, **variables},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,  # a Ctrl-C is for us; we end it
    )
    server = Server(process, port, workers)
    reader = threading.Thread(target=server.read_log, name="server-log", daemon=True)
    reader.start()
    try:
        _wait_for_start(server)
        yield server
    finally:
        _end(process)
        reader.join(END)
        if process.stdout:
            process.stdout.close()


def _wait_for_start(server: Server) -> None:
    deadline = time.monotonic() + BOOT
    while True:
        if server.process.poll() is not None:
            time.sleep(0.1)
            raise RuntimeError(f"the server ended by itself:\n{server.said()}")
        try:
            with Connection(server.port) as connection:
                connection.send(ABOUT)
                if connection.socket.recv(1):  # any answer will do
                    return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(END)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # the group that we made for it
        process.wait()


def _children(parent: int) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with suppress(OSError):
                state, ppid = (entry / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()[:2]
                if int(ppid) == parent and state != "Z":
                    found.append(int(entry.name))
    return sorted(found)
