"""`fluentpro up` and `fluentpro serve`: what a user meets who starts, stops and mistypes."""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

import psutil
import pytest

from fluentpro.cli.serve import cure
from tests.cli.project import COMMAND, Project


@dataclass
class Service:
    """A running `fluentpro`, alone in its process group as a terminal's foreground job is."""

    process: subprocess.Popen[str]
    port: int
    said: str = ""

    def listen(self) -> None:
        """Read what it says until it listens: `up` tells its user, `serve` its log."""
        assert self.process.stdout
        for line in self.process.stdout:
            self.said += line
            if ("Ctrl-C ends it" if "up" in self.process.args else "Listening at") in line:
                return
        pytest.fail(f"it never listened:\n{self.said}")

    def get(self, path: str) -> tuple[int, bytes]:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request("GET", path, headers={"Host": "localhost"})
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return answer.status, body

    def port_of(self, process: str) -> int:
        """Where a process type listens, by the URL that `up` prints for it."""
        [found] = re.findall({"realtime": r"ws://127.0.0.1:(\d+)/ws/"}[process], self.said)
        return int(found)

    def interrupt(self) -> int:
        """Ctrl-C: the whole group hears it. Returns when nobody holds our pipe any more."""
        os.killpg(self.process.pid, signal.SIGINT)
        assert self.process.stdout
        self.said += self.process.stdout.read()
        return self.process.wait(timeout=30)


@pytest.fixture
def start(bare: Project) -> Iterator[Callable[..., Service]]:
    running: list[subprocess.Popen[str]] = []

    def start(*words: str, port: int, **variables: str) -> Service:
        process = subprocess.Popen(
            [COMMAND, *words],
            cwd=bare.root,
            env=bare.environ(variables),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        running.append(process)
        return Service(process, port)

    yield start
    for process in running:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert process.stdout
        process.stdout.close()


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number: int = probe.getsockname()[1]
    return number


@contextmanager
def taken(number: int) -> Iterator[None]:
    with socket.create_server(("127.0.0.1", number)):
        yield


def test_up_brings_a_fresh_clone_to_work_and_ctrl_c_ends_it_all(
    bare: Project, start: Callable[..., Service], port: int
) -> None:
    service = start("up", "--no-stack", "--port", str(port), port=port)
    service.listen()
    said = service.said.splitlines()
    assert said[0] == f"wrote {bare.root / '.secrets.local.toml'} with generated secrets"
    assert said[1].startswith("migrated db.sqlite3: ")
    assert f"FluentPro (development) serves at http://127.0.0.1:{port}" in said
    assert "no Redis is configured: no worker runs, and each process caches in its own memory" in said
    status, body = service.get("/api/v1/about")
    assert (status, json.loads(body)["environment"]) == (200, "development")
    realtime = Service(service.process, service.port_of("realtime"))
    assert realtime.get("/api/v1/about") == (status, body), "one configuration, whatever the port"
    assert service.interrupt() in (0, 130)
    assert "Traceback" not in service.said
    with pytest.raises(ProcessLookupError):
        os.killpg(service.process.pid, 0)


def test_up_a_second_time_has_nothing_to_set_up(
    bare: Project, start: Callable[..., Service], port: int
) -> None:
    first = start("up", "--no-stack", "--port", str(port), port=port)
    first.listen()
    first.interrupt()
    second = start("up", "--no-stack", PORT=str(port), port=port)
    second.listen()
    assert f"FluentPro (development) serves at http://127.0.0.1:{port}\n" in second.said
    assert "wrote" not in second.said
    assert "migrated" not in second.said
    second.interrupt()


def test_up_ends_with_a_process_that_ends_by_itself(
    bare: Project, start: Callable[..., Service], port: int
) -> None:
    service = start("up", "--no-stack", "--port", str(port), port=port)
    service.listen()
    children = psutil.Process(service.process.pid).children()
    assert len(children) == 2
    [realtime] = [child for child in children if "realtime" in child.cmdline()]
    realtime.kill()
    assert service.process.stdout
    service.said += service.process.stdout.read()
    assert service.process.wait(timeout=30) == 137
    assert "realtime has ended with status -9: ending the others" in service.said
    assert not [child for child in children if child.is_running()]


def test_up_takes_the_port_of_the_websockets_as_it_is_told(
    bare: Project, start: Callable[..., Service], port: int
) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        other = probe.getsockname()[1]
    with taken(other):
        refused = bare.run("up", "--no-stack", "--port", str(port), "--realtime-port", str(other))
    assert refused.returncode == 69
    assert f"can't listen on 127.0.0.1 port {other}" in refused.stderr
    service = start("up", "--no-stack", "--port", str(port), "--realtime-port", str(other), port=port)
    service.listen()
    assert service.port_of("realtime") == other
    assert service.interrupt() in (0, 130)


def test_serve_needs_no_migration_and_says_so_when_asked(
    bare: Project, start: Callable[..., Service], port: int
) -> None:
    assert bare.run("init").returncode == 0
    service = start("serve", "--port", str(port), port=port)
    service.listen()
    assert service.get("/health/live")[0] == 200
    seen = bare.run("doctor", FLUENTPRO_SERVER__PORT=str(port))
    assert "FluentPro runs there already" in seen.stdout
    assert service.interrupt() in (0, 130)
    assert "Traceback" not in service.said


@pytest.mark.parametrize("verb", ["up", "serve"])
def test_a_broken_configuration_is_told_before_anything_starts(verb: str, project: Project) -> None:
    result = project.run(verb, FLUENTPRO_DATABASE__PORT="0")
    assert (result.returncode, result.stdout) == (78, "")
    assert "CFG204  database.port" in result.stderr
    assert not (project.root / "db.sqlite3").exists()


def test_serve_tells_a_broken_configuration_as_json(project: Project) -> None:
    result = project.run("serve", "--json", FLUENTPRO_DATABASE__PORT="0")
    assert result.returncode == 78
    assert json.loads(result.stdout)["errors"] == 1


@pytest.mark.parametrize("verb", ["up", "serve"])
def test_a_port_that_is_taken_is_told_with_what_to_do(verb: str, project: Project, port: int) -> None:
    with taken(port):
        result = project.run(verb, "--port", str(port))
    assert (result.returncode, result.stdout) == (69, "")
    assert f"can't listen on 127.0.0.1 port {port}: Address already in use" in result.stderr
    assert "fix: " in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("host", ["192.0.2.1", "nowhere.invalid"])
def test_an_address_that_is_not_this_machines_is_a_wrong_configuration(host: str, project: Project) -> None:
    result = project.run("serve", FLUENTPRO_SERVER__HOST=host)
    assert result.returncode == 78
    assert "server.host" in result.stderr


def test_a_port_that_only_root_may_take_is_a_matter_of_permission() -> None:
    status, fix = cure(PermissionError(errno.EACCES, "Permission denied"))
    assert (status, "1024 or more" in fix) == (77, True)


def test_the_port_of_the_command_line_stands_above_every_other(project: Project, port: int) -> None:
    project.write("port", "1")
    with taken(port):
        by_file = project.run("serve", "--port", str(port), FLUENTPRO_SERVER__PORT_FILE="port")
        by_variable = project.run("serve", "--port", str(port), FLUENTPRO_SERVER__PORT="1")
    assert (by_file.returncode, by_variable.returncode) == (69, 69)


def test_a_database_that_can_not_be_migrated_is_told_without_a_traceback(project: Project, port: int) -> None:
    words = ("up", "--no-stack", "--port", str(port))
    result = project.run(*words, FLUENTPRO_DATABASE__NAME="no/such/folder/db")
    assert result.returncode == 69
    assert "the database can't be migrated: " in result.stderr
    assert "Traceback" not in result.stderr


def test_make_up_takes_the_port_from_its_environment() -> None:
    makefile = (Path(__file__).parents[2] / "Makefile").read_text()
    assert "fluentpro up $(if $(PORT),--port $(PORT))" in makefile
