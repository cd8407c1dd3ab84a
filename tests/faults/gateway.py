"""What stands before a real Vault and answers in its place when it is told to."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


class Gateway:
    """Hands every request on, or answers each with one status."""

    def __init__(self, target: str) -> None:
        self.asked: list[int] = []
        """The status of every answer, in their order."""
        self.status = 0
        """What it answers itself; 0 where it hands on."""
        self.retry_after = ""
        outer, where = self, urlsplit(target)

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body, status, answer = self.rfile.read(length), outer.status, b'{"errors": []}'
                kind = {"Retry-After": outer.retry_after} if outer.retry_after else {}
                if not status:
                    kind = {}
                    status, answer = self.hand_on(body)
                outer.asked.append(status)
                with suppress(OSError):
                    self.send_response(status)
                    for name, value in {**kind, "Content-Length": str(len(answer))}.items():
                        self.send_header(name, value)
                    self.end_headers()
                    self.wfile.write(answer)

            do_POST = do_PUT = do_LIST = do_GET  # noqa: N815 # http.server calls them so

            def hand_on(self, body: bytes) -> tuple[int, bytes]:
                kept = {name: value for name, value in self.headers.items() if name.startswith("X-")}
                connection = http.client.HTTPConnection(str(where.hostname), where.port, timeout=5)
                try:
                    connection.request(self.command, self.path, body, kept)
                    answer = connection.getresponse()
                    return answer.status, answer.read()
                except OSError:
                    return 502, b""
                finally:
                    connection.close()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def troubled(self, status: int, retry_after: str = "") -> None:
        """Answer everything with a status from now on; with 0, hand everything on."""
        self.status, self.retry_after = status, retry_after


@contextmanager
def before(target: str) -> Iterator[Gateway]:
    """A gateway before a Vault, at work."""
    made = Gateway(target)
    thread = threading.Thread(target=made.server.serve_forever, name="gateway", args=(0.02,))
    thread.start()
    try:
        yield made
    finally:
        made.server.shutdown()
        made.server.server_close()
        thread.join()
