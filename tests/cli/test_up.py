"""`fluentpro up` with servers of its own: PostgreSQL, Valkey and OpenBao, from nothing to nothing left."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator

import psutil
import psycopg
import pytest

from fluentpro.cli.up import Signals
from tests.cli.project import COMMAND, ROOT, Project
from tests.support.waiting import eventually

SIGN = "import django; django.setup()\nfrom django.core import signing\nprint(signing.dumps('mine'))"
READ = (
    "import django, sys; django.setup()\nfrom django.core import signing\nprint(signing.loads(sys.argv[1]))"
)


class Up:
    """`fluentpro up` in a project as after a clone, at a terminal that only this test knows."""

    def __init__(self, project: Project) -> None:
        self.project = project
        shutil.copytree(ROOT / "secrets", project.root / "secrets")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.log = project.root / "said.txt"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def said(self) -> str:
        return self.log.read_text()

    def start(self) -> None:
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                [COMMAND, "up", "--port", str(self.port)],
                cwd=self.project.root,
                env=self.project.environ({}),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        eventually(lambda: "Ctrl-C ends it" in self.said or self.process.poll(), within=60)
        assert self.process.poll() is None, self.said
        eventually(lambda: self.health()["status"] == "pass", within=40)

    def port_of(self, process: str) -> int:
        """Where a process type listens, by the URL that `up` prints for it."""
        shown = {
            "realtime": r"ws://127.0.0.1:(\d+)/ws/",
            "worker": r"http://127.0.0.1:(\d+)/health +.*worker",
        }
        [found] = re.findall(shown[process], self.said)
        return int(found)

    def health(self, port: int = 0) -> dict[str, object]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port or self.port}/health", timeout=5) as answer:
                body: dict[str, object] = json.load(answer)
                return body
        except OSError:
            return {"status": "not there"}

    def django(self, script: str, *arguments: str) -> str:
        """What a script of Django's prints, in a process of its own that has this configuration."""
        done = self.project.execute(
            str(COMMAND.with_name("python")),
            "-c",
            script,
            *arguments,
            DJANGO_SETTINGS_MODULE="fluentpro.web.settings",
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def users(self) -> set[str]:
        """The users that OpenBao has made in PostgreSQL and not ended."""
        stack = self.project.root / ".stack"
        port = json.loads((stack / "ports.json").read_text())["postgresql"]
        password = (stack / "postgresql.password").read_text()
        with psycopg.connect(
            host="127.0.0.1", port=port, user="postgres", password=password, dbname="fluentpro"
        ) as connection:
            return {
                row[0] for row in connection.execute("SELECT usename FROM pg_user WHERE usename LIKE 'v-%'")
            }

    def left(self) -> list[list[str]]:
        """The processes that belong to it."""
        found = []
        for each in psutil.process_iter(["cmdline", "cwd"]):
            words = each.info["cmdline"] or []
            if each.info["cwd"] == str(self.project.root) or any(
                str(self.project.root) in item for item in words
            ):
                found.append(words)
        return found

    def end(self, number: int) -> int:
        assert self.process
        self.process.send_signal(number)
        return self.process.wait(30)


@pytest.fixture
def up(bare: Project) -> Iterator[Up]:
    started = Up(bare)
    yield started
    if started.process and started.process.poll() is None:
        started.end(signal.SIGKILL)


def test_up_brings_servers_whose_passwords_nobody_knows_and_takes_them_along(up: Up) -> None:
    up.start()
    run, settings = up.project.run, up.project.root / ".stack/settings.toml"
    for server in ("PostgreSQL", "Valkey", "OpenBao"):
        assert f"{server:<12}127.0.0.1:" in up.said
    checks = up.health()["checks"]
    assert isinstance(checks, dict)
    assert (checks["secret-backend"]["status"], checks["database"]["observation"]) == (
        "pass",
        "postgresql answers",
    )

    # All process types, of one configuration.
    digests = {checks["config-source"]["digest"]}
    for port in (up.port_of("realtime"), up.port_of("worker")):
        eventually(lambda port=port: up.health(port)["status"] == "pass", within=40)
        seen = up.health(port)["checks"]
        assert isinstance(seen, dict)
        digests.add(seen["config-source"]["digest"])
        assert seen["redis"]["status"] == "pass"
    assert len(digests) == 1
    eventually(lambda: up.health()["checks"]["celery"]["status"] == "pass")  # type: ignore[index]

    # Another terminal.
    users = up.users()
    assert run("check").returncode == 0
    assert run("doctor").returncode == 0
    explained = run("explain", "database.password").stdout
    assert "database.password = ********" in explained
    assert "from        vault database/creds/fluentpro-development#password" in explained
    assert up.users() == users, "a command gives back what it took"
    before = up.django(SIGN)
    for _ in range(2):
        rotated = run("rotate", "secret-key")
        assert rotated.returncode == 0, rotated.stderr
        assert (
            "; all 7 processes sign with it after " in rotated.stdout
        )  # 2 web, 2 realtime, the worker and its 2
    assert up.django(READ, before) == "mine", "what was signed two keys ago is still accepted"
    first = run("rotate", "kv/fluentpro/development/openai", "--key", "api_key", "--generate")
    assert "(api_key) to version 1; all 7 processes use it after " in first.stdout, first.stderr
    stray = run("rotate", "kv/fluentpro/development/opnai", "--key", "api_key", "--generate")
    assert "no setting refers to it, so nobody was watched" in stray.stdout
    dynamic = run("rotate", "database")
    assert (dynamic.returncode, dynamic.stdout) == (78, "")
    assert "nothing is to be done" in dynamic.stderr
    other = run("up", "--port", "1")
    assert other.returncode == 69
    assert f"the stack runs already: process {up.process and up.process.pid} has it" in other.stderr

    assert settings.is_file()
    assert up.end(signal.SIGINT) in (0, 130)
    assert not settings.exists()
    assert up.left() == []
    assert "Traceback" not in up.said
    alone = run("rotate", "secret-key")
    assert (alone.returncode, "`fluentpro up` runs a Vault of its own" in alone.stderr) == (78, True)


def test_up_that_is_killed_takes_all_along_and_the_next_command_knows(up: Up) -> None:
    up.start()
    [valkey] = (up.project.root / ".stack").glob("valkey.pid")
    os.kill(int(valkey.read_text()), signal.SIGKILL)
    eventually(lambda: "Valkey has ended: see " in up.said, within=5)
    up.end(signal.SIGKILL)
    eventually(lambda: up.left() == [], within=20)
    assert (up.project.root / ".stack/settings.toml").is_file()
    began = time.monotonic()
    assert "are valid" in up.project.run("check").stdout
    assert time.monotonic() - began < 4, "nobody waits for a Vault that is gone"
    up.start()
    assert up.end(signal.SIGHUP) == 0, "as a terminal does that is closed"
    assert up.left() == []


def test_up_without_the_folder_secrets_says_where_it_is(project: Project) -> None:
    result = project.run("up", "--port", "65432")
    assert result.returncode == 69
    assert (
        f"the folder {project.root / 'secrets'} says what has to be in OpenBao, and can't be read"
        in result.stderr
    )
    assert "fix: restore it" in result.stderr


def test_reset_needs_servers_of_its_own(project: Project) -> None:
    assert project.run("up", "--no-stack", "--reset").returncode == 64


@pytest.mark.parametrize(
    ("interrupted", "status", "ours"), [(True, -2, 130), (False, -15, 143), (True, 0, 0)]
)
def test_the_exit_status_is_the_one_that_shells_know(interrupted: bool, status: int, ours: int) -> None:
    assert Signals(interrupted=interrupted).status(status) == ours
