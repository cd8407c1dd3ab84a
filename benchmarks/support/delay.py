"""A door to a server on this machine behind which every answer is late."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from queue import Queue

CHUNK = 65_536
PATIENCE = 5.0
"""Seconds that the door may take to open, and to close."""


@contextmanager
def late(port: int, seconds: float) -> Iterator[int]:
    """The port of a door to another port; whatever comes back through it waits so many seconds."""
    opened: Queue[tuple[int, Callable[[], object]]] = Queue()
    work = _serve(port, seconds, opened)
    thread = threading.Thread(target=lambda: asyncio.run(work), name="late", daemon=True)
    thread.start()
    door, close = opened.get(timeout=PATIENCE)
    try:
        yield door
    finally:
        close()
        thread.join(PATIENCE)


async def _serve(port: int, seconds: float, opened: Queue[tuple[int, Callable[[], object]]]) -> None:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()

    async def join(ours: asyncio.StreamReader, answers: asyncio.StreamWriter) -> None:
        try:
            theirs, questions = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            answers.close()
            return
        await asyncio.gather(_pass(ours, questions, 0.0), _pass(theirs, answers, seconds))

    async with await asyncio.start_server(join, "127.0.0.1", 0) as server:
        door = server.sockets[0].getsockname()[1]
        opened.put((door, lambda: loop.call_soon_threadsafe(stop.set)))
        await stop.wait()


async def _pass(source: asyncio.StreamReader, target: asyncio.StreamWriter, seconds: float) -> None:
    """Pass on what comes, each time after so many seconds, until one end closes."""
    with suppress(OSError):
        while data := await source.read(CHUNK):
            await asyncio.sleep(seconds)
            target.write(data)
            await target.drain()
    target.close()
