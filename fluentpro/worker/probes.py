"""The small HTTP server with which a worker answers probes, as every process type does."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final
from wsgiref.simple_server import ServerHandler, WSGIRequestHandler, WSGIServer

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

THREADS: Final = 4
PATIENCE: Final = 5.0
"""Seconds that a client may take to send its request, or to take its answer."""
LOOK: Final = 0.2
"""Seconds after which `stop` is noticed, at the latest."""
PAGES: Final = ("/health", "/metrics")
UNKNOWN: Final = b'{"detail": "a worker answers /health and /metrics only"}'


class Answers:
    """The pages for probes and operators, of an application that has more."""

    def __init__(self, application: WSGIApplication) -> None:
        self._application = application

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """The page, or 404."""
        path = environ["PATH_INFO"]
        if path in PAGES or path.startswith("/health/"):
            return self._application(environ, start_response)
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(UNKNOWN)))]
        start_response("404 Not Found", headers)
        return [UNKNOWN]


class Server(WSGIServer):
    """A WSGI server with a fixed number of threads: a flood of probes waits, and costs no more."""

    daemon_threads = True

    def __init__(self, host: str, port: int, application: WSGIApplication) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="probes")
        super().__init__((host, port), Handler)
        self.set_app(Answers(application))
        self._thread = threading.Thread(
            target=self.serve_forever, args=(LOOK,), name="probes-server", daemon=True
        )

    def server_bind(self) -> None:
        """Bind, without asking DNS for the name of this machine."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])
        self.setup_environ()

    def start(self) -> None:
        """Answer in threads of this process."""
        self._thread.start()

    def stop(self) -> None:
        """Take no more connections, and wait for no client."""
        self.shutdown()
        self.server_close()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in one of the threads."""
        self._threads.submit(self._answer, request, client_address)

    def _answer(self, request: Any, client_address: Any) -> None:
        try:
            request.settimeout(PATIENCE)
            self.finish_request(request, client_address)
        except OSError:
            pass  # the client went away, or was too slow
        finally:
            self.shutdown_request(request)


class Handler(WSGIRequestHandler):
    """One request for each connection; our middleware logs it."""

    def log_message(self, *_: Any) -> None:
        """Nothing."""

    def address_string(self) -> str:
        """The client's address as it is."""
        return str(self.client_address[0])

    def handle(self) -> None:
        """Answer, and let no error of one request reach the server."""
        self.raw_requestline = self.rfile.readline(65_537)
        if not self.parse_request():
            return
        handler = ServerHandler(
            self.rfile,
            self.wfile,  # type: ignore[arg-type]  # typeshed's two halves differ
            self.get_stderr(),
            self.get_environ(),
            multithread=True,
        )
        handler.request_handler = self  # type: ignore[attr-defined]  # wsgiref's own way, which its types leave out
        handler.run(self.server.get_app())  # type: ignore[attr-defined]  # our server is a WSGIServer
