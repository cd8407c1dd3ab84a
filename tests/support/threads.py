"""A process that can start no thread, and the threads of ours that are left in one."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator, Set
from contextlib import contextmanager


@contextmanager
def none_to_be_had() -> Iterator[None]:
    """Every new thread asks for more memory than there is in the world."""
    before = threading.stack_size(1 << 46)
    try:
        yield
    finally:
        threading.stack_size(before)


OURS = re.compile(r"config-watch|vault-keeper|health-.*|fleet.*")
"""The names of the threads that a process of FluentPro's has, and that whoever started it has to end."""


def ours() -> set[threading.Thread]:
    """Those that run in this process."""
    return {thread for thread in threading.enumerate() if OURS.fullmatch(thread.name)}


def left_behind(known: Set[threading.Thread], within: float = 3.0) -> list[str]:
    """The names of those that run beyond the known ones, and do not end within so many s."""
    until = time.monotonic() + within
    while (left := ours() - known) and time.monotonic() < until:
        time.sleep(0.01)
    return sorted(thread.name for thread in left)
