"""A server's process: started so that it ends with us, stopped by its own pid, found again if it did not."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psutil

from fluentpro.stack.errors import StackError
from fluentpro.stack.folder import Folder
from fluentpro.stack.launch import launched

KEPT: Final = ("HOME", "LANG", "PATH", "TMPDIR")
"""The variables that a server gets: none of ours, and none that would configure it behind our back."""
LAST_LINES: Final = 8
"""Lines of its log that the report of a failed server shows."""


@dataclass(slots=True)
class Nursery:
    """The one thread that starts the servers. The kernel ends them when this thread ends, however it does.

    "However it does" is why it is a thread of its own: the kernel watches the thread that started a
    process, not its process, and the threads that start the servers side by side soon end.
    """

    given_up: threading.Event = field(default_factory=threading.Event)
    """Set when a start is given up: whoever waits for a server need not."""
    _thread: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(1, thread_name_prefix="stack-nursery")
    )

    def spawn(
        self, command: Sequence[str | Path], log: Path, *, stop: signal.Signals, owned: Path | None = None
    ) -> subprocess.Popen[bytes]:
        """Start a command, to be sent `stop` when we end; what refuses to be root owns its folder `owned`."""

        def start() -> subprocess.Popen[bytes]:
            with log.open(mode="ab") as output:
                return subprocess.Popen(  # noqa: S603 # programs of wheels that we depend on
                    launched([*map(str, command)], stop, owned),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    env={name: os.environ[name] for name in KEPT if name in os.environ},
                    start_new_session=True,  # a Ctrl-C is for us; we stop them in order
                )

        return self._thread.submit(start).result()

    def close(self) -> None:
        """End the thread, and with it whatever it started and nobody stopped."""
        self._thread.shutdown()


def stop(process: subprocess.Popen[bytes], number: signal.Signals, grace: float) -> None:
    """Tell a process to end, and end it after `grace` seconds; returns when it has ended."""
    process.send_signal(number)
    try:
        process.wait(grace)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def run(process: subprocess.Popen[bytes], log: Path, what: str, longest: float) -> None:
    """Wait for a program to finish its work; a `StackError` if it fails or takes over `longest` seconds."""
    try:
        status = process.wait(longest)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise StackError(f"{what} took longer than {longest:g} s", f"see {log}") from None
    if status:
        raise failed(what, log)


def failed(what: str, log: Path) -> StackError:
    """The report of a program that failed, with what its log says last."""
    with suppress(OSError):
        lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
        tail = "".join(f"\n        | {line[:200]}" for line in lines[-LAST_LINES:])
        return StackError(f"{what} failed{tail}", f"see {log}; `fluentpro up --reset` starts anew")
    return StackError(f"{what} failed", f"see {log}")


def record(folder: Folder, name: str, pid: int) -> None:
    """Keep the pid of a server, so that a later run can find it."""
    folder.write(f"{name}.pid", str(pid))


def end_left_over(folder: Folder, name: str, number: signal.Signals, grace: float) -> bool:
    """End the server of an earlier run, if it still runs; True if it did.

    A recorded pid may be somebody else's by now. It is our server if the path of our data is in its
    command line.
    """
    pid = folder.read(f"{name}.pid").strip()
    if not pid.isdigit():
        return False
    with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
        process = psutil.Process(int(pid))
        if not any(str(folder.path / name) in part for part in process.cmdline()):
            return False
        process.send_signal(number)
        try:
            process.wait(grace)
        except psutil.TimeoutExpired:
            process.kill()
            process.wait(grace)
        return True
    return False
