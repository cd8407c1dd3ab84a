"""The real `fluentpro serve`, asked from outside: answers, probes, metrics, log lines, signals."""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import IO, Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.support.project import Project, changed
from tests.support.waiting import eventually

COMMAND = Path(sys.executable).with_name("fluentpro")
KEPT = ("PATH", "PYTHONPATH", "LANG", "COVERAGE_PROCESS_CONFIG", "COVERAGE_PROCESS_START")
"""What the command needs of our own environment, so that it runs and is measured."""
TAKEN = 69
"""The exit status of a server whose port somebody else took meanwhile."""

CONTEXT = ssl.create_default_context()
"""Made once: httpx would take 15 ms for each client, also where there is no TLS."""

Labels = frozenset[tuple[str, str]]


class Server:
    """One server over a project. Ends every process of its own, by its id."""

    def __init__(self, project: Project, workers: int = 2, launcher: Sequence[str] = ()) -> None:
        self.project, self.workers, self.launcher = project, workers, tuple(launcher)
        self.variables: dict[str, str] = {}
        self.port = 0
        self.output: list[str] = []
        self.errors: list[str] = []
        self._readers: list[threading.Thread] = []
        self._process: subprocess.Popen[str] | None = None

    @property
    def words(self) -> tuple[str, ...]:
        """What the command is told."""
        return ("serve",)

    # ---- Life

    def start(self, *, ready: bool = True, **variables: str) -> Server:
        """Start it with these variables; by default, wait until every worker is ready to serve."""
        self.variables = variables
        for _ in range(3):
            self._launch()
            try:
                if ready:
                    eventually(self._is_up, within=60)
            except (AssertionError, EOFError):
                self.end()
                if self.process.returncode == TAKEN:
                    continue
                raise AssertionError("\n".join([*self.output, *self.errors])) from None
            return self
        raise AssertionError("no port to be had")

    def _launch(self) -> None:
        self.move(free_port())
        self.output, self.errors = [], []
        self._process = subprocess.Popen(
            [*self.launcher, str(COMMAND), *self.words],
            cwd=self.project.root,
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C at our terminal is not for it
        )
        self._readers = [
            _reader(self._process.stdout, self.output),
            _reader(self._process.stderr, self.errors),
        ]

    def move(self, port: int) -> None:
        """Say in `settings.local.toml` where to listen, and look for it there from now on."""
        self.port = port
        local = changed(self.project.local, "server.workers", self.workers)
        self.project.local = changed(local, "server.port", port)
        self.project.replace("settings.local.toml", self.project.local)

    def _is_up(self) -> bool:
        if self.process.poll() is not None:
            raise EOFError(self.process.returncode)
        return self.get("/health/ready").status_code == 200 and sum(self.digests().values()) == self.workers

    @property
    def environ(self) -> dict[str, str]:
        """The world that the server sees."""
        kept = {name: os.environ[name] for name in KEPT if name in os.environ}
        ours = {
            "ENV_FOR_DYNACONF": "testing",
            "FLUENTPRO_ROOT": str(self.project.root),
            "HOME": str(self.project.root),
        }
        return {**kept, **ours, **self.variables}

    @property
    def process(self) -> subprocess.Popen[str]:
        """The master."""
        assert self._process
        return self._process

    def children(self) -> set[int]:
        """The ids of the workers, as the system knows them."""
        found = subprocess.run(
            ["pgrep", "-P", str(self.process.pid)], capture_output=True, text=True, check=False
        )
        return {int(pid) for pid in found.stdout.split()}

    def signal(self, sig: int) -> None:
        """Send a signal to the master."""
        self.process.send_signal(sig)

    def wait(self, within: float = 30.0) -> int:
        """The exit status, once it has ended and all was read."""
        status = self.process.wait(within)
        for reader in self._readers:
            reader.join(5)
        return status

    def end(self) -> None:
        """End it, by force if it must be."""
        if self._process is None:
            return
        if self._process.poll() is None:
            children = self.children()
            self._process.terminate()
            try:
                self._process.wait(15)
            except subprocess.TimeoutExpired:
                for pid in (self._process.pid, *children, *self.children()):
                    kill(pid)
                self._process.wait(5)
        for reader in self._readers:
            reader.join(5)

    # ---- Answers

    @property
    def url(self) -> str:
        """Where it serves."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def bearer(self) -> dict[str, str]:
        """What opens the pages for operators."""
        return {"Authorization": f"Bearer {self.project.token}"}

    def request(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, **more: Any
    ) -> httpx.Response:
        """One request over a connection of its own: any worker may answer it."""
        with httpx.Client(base_url=self.url, timeout=10, trust_env=False, verify=CONTEXT) as client:
            return client.request(method, path, headers={"Connection": "close", **(headers or {})}, **more)

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> httpx.Response:
        """One GET."""
        return self.request("GET", path, headers)

    def about(self) -> dict[str, Any]:
        """What `/api/v1/about` says."""
        answer = self.get("/api/v1/about")
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    def health(self) -> dict[str, Any]:
        """What `/health` says to the holder of the token."""
        body: dict[str, Any] = self.get("/health", self.bearer).json()
        return body

    def check(self, name: str) -> dict[str, Any]:
        """One check of `/health`."""
        found: dict[str, Any] = self.health()["checks"][name]
        return found

    def is_shut(self) -> bool:
        """Whether connections are refused where it served."""
        try:
            self.get("/health/live")
        except httpx.ConnectError:
            return True
        return False

    # ---- Metrics

    def metrics(self) -> dict[str, dict[Labels, float]]:
        """Every sample, by name and labels."""
        answer = self.get("/metrics", self.bearer)
        assert answer.status_code == 200, answer.text
        found: dict[str, dict[Labels, float]] = {}
        for family in text_string_to_metric_families(answer.text):
            for sample in family.samples:
                found.setdefault(sample.name, {})[frozenset(sample.labels.items())] = sample.value
        return found

    def metric(self, name: str, **labels: str) -> float:
        """One sample."""
        return self.metrics()[name][frozenset(labels.items())]

    def digests(self) -> dict[str, int]:
        """How many workers run which configuration."""
        samples = self.metrics()["fluentpro_config_info"]
        return {dict(labels)["digest"]: int(value) for labels, value in samples.items()}

    def successful(self) -> bool:
        """Whether no worker refuses what the files say."""
        return self.metric("fluentpro_config_last_reload_successful") == 1

    def reloads(self, outcome: str) -> int:
        """How often workers tried the files, with this outcome."""
        return int(self.metric("fluentpro_config_reloads_total", outcome=outcome))

    def agreed(self) -> str:
        """The digest on which all workers agree; empty while they don't."""
        digests = self.digests()
        return next(iter(digests)) if list(digests.values()) == [self.workers] else ""

    def serves(self, banner: str) -> bool:
        """Whether every worker runs the configuration that says this banner."""
        about = self.about()
        return about["banner"] == banner and self.agreed() == about["config"]["digest"]

    def refuses(self, kept: str, code: str) -> bool:
        """Whether every worker has refused what the files say, for this, and serves on as it did."""
        pids = {line["pid"] for line in self.refusals() if any(code in text for text in line["errors"])}
        return len(pids) == self.workers and self.agreed() == kept and not self.successful()

    # ---- Log

    def lines(self) -> list[dict[str, Any]]:
        """Every log line so far."""
        return [json.loads(line) for line in list(self.output)]

    def events(self, name: str, **having: Any) -> list[dict[str, Any]]:
        """The log lines of one event, with these facts."""
        return [line for line in self.lines() if line["event"] == name and having.items() <= line.items()]

    def refusals(self) -> list[dict[str, Any]]:
        """The log lines of refused changes."""
        return self.events("config.refused")


def free_port() -> int:
    """A port on which nobody listens."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def kill(pid: int) -> None:
    """End a process that may have ended already."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _reader(stream: IO[str] | None, into: list[str]) -> threading.Thread:
    def read(stream: IO[str]) -> None:
        with stream:
            for line in stream:
                into.append(line.rstrip("\n"))  # noqa: PERF401 # one by one, as they come

    assert stream
    thread = threading.Thread(target=read, args=(stream,), daemon=True)
    thread.start()
    return thread
