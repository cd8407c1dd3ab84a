"""What every test can ask for: a project of its own, and the real server over it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support import inside as django
from tests.support.inside import Inside
from tests.support.project import Project
from tests.support.server import KEPT, Server
from tests.support.threads import left_behind, ours
from tests.support.waiting import eventually

pytest_plugins = ["tests.support.stack"]

Launch = Callable[..., Server]


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated database, to be copied."""
    project = Project.make(tmp_path_factory.mktemp("database") / "project")
    environ = {name: os.environ[name] for name in KEPT if name in os.environ}
    environ |= {
        "DJANGO_SETTINGS_MODULE": "fluentpro.web.settings",
        "ENV_FOR_DYNACONF": "testing",
        "FLUENTPRO_ROOT": str(project.root),
    }
    subprocess.run([sys.executable, "-m", "django", "migrate", "--verbosity", "0"], env=environ, check=True)
    return project.root / "testing.sqlite3"


@pytest.fixture
def project(tmp_path: Path, database: Path) -> Project:
    """A project whose database is migrated."""
    return Project.make(tmp_path / "project", database)


@pytest.fixture
def launch(project: Project) -> Iterator[Launch]:
    """Starts servers over the project, and ends them."""
    launched: list[Server] = []

    def launch(
        workers: int = 2, *, launcher: tuple[str, ...] = (), ready: bool = True, **variables: str
    ) -> Server:
        launched.append(Server(project, workers, launcher))
        return launched[-1].start(ready=ready, **variables)

    yield launch
    for server in launched:
        server.end()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, database: Path) -> Iterator[Server]:
    """One server with two workers for all tests of a module: see `server`."""
    server = Server(Project.make(tmp_path_factory.mktemp("shared") / "project", database)).start()
    yield server
    server.end()


@pytest.fixture
def server(running: Server) -> Server:
    """The module's server, whose files are whole and in use again; its log is empty."""
    running.project.restore()
    banner = "Welcome to FluentPro (testing)"
    eventually(lambda: running.serves(banner) and running.successful())
    running.output.clear()
    return running


@pytest.fixture(scope="session")
def lasting() -> set[threading.Thread]:
    """The threads that live as long as the tests do: those of `booted`."""
    return set()


@pytest.fixture(scope="module", autouse=True)
def no_thread_is_left(lasting: set[threading.Thread]) -> Iterator[None]:
    """Fail a file of tests that leaves a thread of ours running: it would meddle with those that follow."""
    before = ours()
    yield
    assert not left_behind(before | lasting), "threads that these tests started, and did not end"


@pytest.fixture(scope="session")
def booted(
    tmp_path_factory: pytest.TempPathFactory, database: Path, lasting: set[threading.Thread]
) -> Iterator[Inside]:
    """Django inside this process, once: see `inside`."""
    before = ours()
    made = django.start(tmp_path_factory.mktemp("inside") / "project", database)
    lasting |= ours() - before
    yield made
    django.stop()


@pytest.fixture
def inside(booted: Inside) -> Iterator[Inside]:
    """Django inside this process, with the files as they were at first."""
    booted.restore()
    yield booted
    booted.restore()
