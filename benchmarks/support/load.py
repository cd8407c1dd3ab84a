"""Requests at a steady rate from a process of its own; what became of each of them.

`... PORT PATH RATE PID[,PID...] EACH HEADERS` opens so many connections to each worker process and asks
in turn on each, at fixed times that do not wait for slow answers: a request that had to wait for the one
before it counts from the time it was due. It ends when its input does, and prints one JSON line a request.
"""

from __future__ import annotations

import asyncio
import gc
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from benchmarks.support.connections import LENGTH, NOTHING, TIMEOUT, Connection, cover, parse_head, request
from benchmarks.support.projects import CHECKOUT
from benchmarks.support.servers import ABOUT, Server

DIGEST = "x-config-digest"
NO_FACTS: dict[str, str] = {}


@dataclass(frozen=True, slots=True)
class Sample:
    """One request under load."""

    due: float
    """When it should have been sent (monotonic, s)."""
    seconds: float
    """From then to the end of the answer."""
    status: int
    """0 if there was no answer."""
    banner: str = ""
    digest: str = ""
    """In the body."""
    header: str = ""
    """The digest in the header."""

    @property
    def failed(self) -> bool:
        """Whether it got anything but what was asked for."""
        return self.status != 200


class Load:
    """The same process as its parent sees it."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def stop(self) -> list[Sample]:
        """End it, and take what it measured."""
        out, _ = self._process.communicate()
        return [Sample(*json.loads(line)) for line in out.splitlines()]


@contextmanager
def load(
    server: Server, rate: float, each: int = 2, path: str = ABOUT, headers: Mapping[str, str] = NOTHING
) -> Iterator[Load]:
    """Put a server under load; returns when the connections are open and requests flow."""
    pids = ",".join(map(str, server.pids()))
    arguments = [str(server.port), path, str(rate), pids, str(each), json.dumps(dict(headers))]
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.support.load", *arguments],
        cwd=CHECKOUT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout  # noqa: S101 # it was started with a pipe
        if process.stdout.readline() != "ready\n":
            raise RuntimeError("the load generator did not start")
        yield Load(process)


async def _drive(
    first: Connection, asked: bytes, period: float, due: float, done: asyncio.Event
) -> list[Sample]:
    """Ask on one connection at fixed times, on a new one where the server closed it."""
    port = first.socket.getpeername()[1]
    reader, writer = await asyncio.open_connection(sock=first.socket)
    samples: list[Sample] = []
    while not done.is_set():
        await asyncio.sleep(max(due - time.monotonic(), 0))
        status, closing, facts = 0, True, NO_FACTS
        with suppress(OSError, EOFError, TimeoutError):
            async with asyncio.timeout(TIMEOUT):
                if writer.is_closing() or reader.at_eof():
                    writer.close()
                    reader, writer = await asyncio.open_connection("127.0.0.1", port)
                status, closing, facts = await _ask(reader, writer, asked)
        if closing:
            writer.close()
        samples.append(Sample(due, time.monotonic() - due, status, **facts))
        due += period
    writer.close()
    return samples


async def _ask(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, asked: bytes
) -> tuple[int, bool, dict[str, str]]:
    """Status, whether the server closes the connection now, and what the answer says."""
    writer.write(asked)
    status, headers, _ = parse_head(await reader.readuntil(b"\r\n\r\n"))
    if LENGTH not in headers:  # a page for a fault; the connection is of no more use
        return status, True, NO_FACTS
    body = await reader.readexactly(int(headers[LENGTH]))
    closing = headers.get("connection", "").lower() == "close"
    facts = {"header": headers.get(DIGEST, "")}
    if status == 200 and body.startswith(b"{"):
        data = json.loads(body)
        facts |= {"banner": data.get("banner", ""), "digest": data.get("config", {}).get("digest", "")}
    return status, closing, facts


async def _run(port: int, asked: bytes, rate: float, pids: Sequence[int], each: int) -> list[Sample]:
    connections = cover(port, pids, ABOUT, each)
    period, done = len(connections) / rate, asyncio.Event()
    began = time.monotonic() + 0.05
    print("ready", flush=True)
    drivers = [
        asyncio.ensure_future(_drive(connection, asked, period, began + number / rate, done))
        for number, connection in enumerate(connections)
    ]
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    done.set()
    return [sample for samples in await asyncio.gather(*drivers) for sample in samples]


def main() -> None:
    """Run until the input ends, then tell."""
    port, path, rate, pids, each, headers = sys.argv[1:]
    asked = request(path, json.loads(headers))
    gc.disable()  # its pauses would be measured as the server's
    samples = asyncio.run(
        _run(int(port), asked, float(rate), [int(pid) for pid in pids.split(",")], int(each))
    )
    for item in samples:
        facts = [item.due, item.seconds, item.status, item.banner, item.digest, item.header]
        sys.stdout.write(json.dumps(facts) + "\n")


if __name__ == "__main__":
    main()
