"""Real workers over a real Valkey, with tasks that only these tests have."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from tests.support.process import Process
from tests.support.project import Project
from tests.support.server import Server
from tests.support.valkey import Valkey

PASSWORD = "the first password of the queue"
CHILDREN = 2
"""Tasks at a time: `celery.concurrency`."""

TASKS = '''
"""What the tests let workers do: say what they see, and write down that they did it."""

import os
import time
from pathlib import Path

from celery import shared_task

from fluentpro.process import current

DONE = Path(os.environ["DONE"])


def note(text):
    with DONE.open("a") as file:
        file.write(f"{text}\\n")


@shared_task
def say():
    return [os.getpid(), current().site.banner]


@shared_task
def say_twice(go):
    """What it sees before and after a file is there."""
    first = current().site.banner
    note("began")
    while not Path(go).exists():
        time.sleep(0.02)
    return [first, current().site.banner]


@shared_task(ignore_result=True)
def work(name, seconds=0.0):
    note(f"begin-{name}")
    time.sleep(seconds)
    note(name)


@shared_task(acks_late=True, ignore_result=True)
def work_safely(name, seconds=0.0):
    note(f"begin-{name}")
    time.sleep(seconds)
    note(name)


@shared_task(ignore_result=True)
def ask(name):
    from django.contrib.sessions.models import Session

    Session.objects.count()
    time.sleep(0.05)
    Session.objects.count()
    note(name)
'''
WORKER = """
import sys
from fluentpro.cli import main, worker
worker.TASKS += ("tasks_of_tests",)
sys.argv = sys.argv[1:]
main.main()
"""
SENDER = """
import sys
from fluentpro.web import wiring
wiring.setup()
import tasks_of_tests as tasks
"""


class Queue:
    """The queue of one project: its Valkey, its workers, and whoever sends tasks."""

    def __init__(self, folder: Path, project: Project) -> None:
        self.folder, self.project = folder, project
        self.valkey = Valkey(folder / "valkey", password=PASSWORD).start()
        self.done = folder / "done.txt"
        self.done.touch()
        (folder / "tasks_of_tests.py").write_text(TASKS)
        project.set("redis.url", self.valkey.url)
        project.set("features.celery", True)
        project.set("server.graceful_timeout", 3)
        self.password(PASSWORD)
        self.running: list[Server] = []

    def password(self, text: str) -> None:
        """Say to the service what the password is."""
        secrets = self.project.original(".secrets.local.toml") + f'\n[redis]\npassword = "{text}"\n'
        self.project.replace(".secrets.local.toml", secrets)

    @property
    def variables(self) -> dict[str, str]:
        return {"PYTHONPATH": str(self.folder), "DONE": str(self.done)}

    def worker(self, *, ready: bool = True) -> Process:
        """Start a worker; by default, wait until it and its children are ready."""
        made = Process(self.project, "worker", CHILDREN + 1, (sys.executable, "-c", WORKER))
        self.running.append(made)
        made.start(ready=ready, **self.variables)
        return made

    def web(self) -> Process:
        made = Process(self.project, "web")
        self.running.append(made)
        made.start()
        return made

    def script(self, text: str, **variables: str) -> str:
        """What a script prints that sends tasks, in a process of its own."""
        like = Process(self.project, "worker")
        like.variables = {**self.variables, **variables}
        command = [sys.executable, "-c", SENDER + dedent(text)]
        done = subprocess.run(
            command,
            env=like.environ,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        *_, last = done.stdout.strip().splitlines() or [""]
        return last

    def noted(self) -> Counter[str]:
        """What tasks have written down, and how often."""
        return Counter(self.done.read_text().splitlines())

    def end(self) -> None:
        for each in self.running:
            each.end()
        self.valkey.stop()


@pytest.fixture
def queue(tmp_path: Path, project: Project) -> Iterator[Queue]:
    made = Queue(tmp_path, project)
    yield made
    made.end()


Ask = Callable[[str], str]
