"""Runs what a page shows, block by block, in a copy of the project.

The words behind a block's language say what to do with it; other blocks are only shown.

    console run         run the `$` lines in one shell; they must succeed, and print what stands below them
    console run exit=78 ... and the last one must end with that status
    console serve       start its one command, and wait until it answers; it is ended after the page
    toml edit=FILE      give each key of that file the value that stands here

Where a service runs, a command is tried until it prints what it should: a change takes a moment.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.docs.pages import ROOT, Fence, Page, fits

MARK = "\x1e"
COPIED = (
    "settings",
    "secrets",
    "settings.toml",
    ".secrets.toml",
    "manage.py",
    "Makefile",
    "pyproject.toml",
    "requirements",
)
PATIENCE = 10.0
"""Seconds in which a running service has to show a change."""


def free_port() -> int:
    """A TCP port that nobody has just now."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Project:
    """A copy of the project in a folder of its own, and the service that runs in it."""

    root: Path
    port: int = field(default_factory=free_port)
    service: subprocess.Popen[bytes] | None = None

    def run(self, page: Page) -> None:
        """Do what the page shows."""
        with self._ending():
            for fence in page.fences:
                if fence.word("serve") is not None:
                    self._serve(fence)
                elif fence.word("run") is not None:
                    self._follow(fence)
                elif name := fence.word("edit"):
                    edit(self.root / name, fence.text)

    def _follow(self, fence: Fence) -> None:
        wanted, expected = int(fence.word("exit") or 0), steps(fence.text)
        until = time.monotonic() + (PATIENCE if self.service else 0)
        while True:
            done = self.shell([command for command, _ in expected])
            wrong = list(_differences(expected, done, wanted))
            if not wrong:
                return
            if time.monotonic() > until:
                raise AssertionError("\n".join([f"in the section {fence.heading!r}:", *wrong]))
            time.sleep(0.1)

    def shell(self, commands: list[str]) -> list[tuple[str, int]]:
        """Run the commands in one shell; what each printed, and its status."""
        lines = [f'{command}\nprintf "{MARK}%s{MARK}" $?' for command in map(self._here, commands)]
        script = "\n".join(lines)
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=self.root,
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=60,
            check=False,
        )
        parts = done.stdout.split(MARK)
        return [(text, int(code)) for text, code in zip(parts[::2], parts[1::2], strict=False)]

    def _serve(self, fence: Fence) -> None:
        [(command, _)] = steps(fence.text)
        log = self.root.parent / "service.log"
        with log.open("wb") as file:
            self.service = subprocess.Popen(
                ["bash", "-c", f"exec {self._here(command)}"],
                cwd=self.root,
                env=self.environ,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        until = time.monotonic() + 60
        while not answers(f"http://127.0.0.1:{self.port}/health/startup"):
            assert self.service.poll() is None, log.read_text()
            assert time.monotonic() < until, log.read_text()
            time.sleep(0.1)

    @contextmanager
    def _ending(self) -> Iterator[None]:
        """End the service as Ctrl-C at a terminal does: the signal goes to all of its processes."""
        try:
            yield
        finally:
            if self.service:
                os.killpg(self.service.pid, signal.SIGINT)
                try:
                    self.service.wait(20)
                except subprocess.TimeoutExpired:
                    os.killpg(self.service.pid, signal.SIGKILL)
                    self.service.wait(5)
                    raise

    def _here(self, command: str) -> str:
        return re.sub(r"\b8000\b", str(self.port), command)

    @property
    def environ(self) -> dict[str, str]:
        """This process's environment without what configures FluentPro; its `.venv` first on the path."""
        ours = re.compile(
            r"FLUENTPRO_|DYNACONF_|PROMETHEUS_|DJANGO_SETTINGS|.*_FOR_DYNACONF$|PYTEST_|MAKE|MFLAGS"
        )
        environ = {name: text for name, text in os.environ.items() if not ours.match(name)}
        path = f"{self.root / '.venv/bin'}{os.pathsep}{environ.get('PATH', '')}"
        return {
            **environ,
            "PATH": path,
            "PORT": str(self.port),
            "TMPDIR": str(self.root.parent),
            "NO_COLOR": "1",
        }


def copy(folder: Path) -> Project:
    """A fresh project, with this checkout's code and packages, and secrets of its own."""
    root = folder / "fluentpro"
    root.mkdir()
    for name in COPIED:
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy2)(source, root / name)
    venv = root / ".venv"
    venv.mkdir()
    (venv / "bin").symlink_to(Path(sys.executable).parent)
    (venv / ".installed").touch()  # `make up` has nothing to install
    project = Project(root)
    subprocess.run(
        [venv / "bin/fluentpro", "init"], cwd=root, env=project.environ, check=True, capture_output=True
    )
    return project


def steps(text: str) -> list[tuple[str, str]]:
    """The commands of a console block, each with the output that is shown below it."""
    found: list[tuple[str, str]] = []
    for line in text.splitlines(keepends=True):
        if line.startswith("$ "):
            found.append((line[2:].rstrip("\n"), ""))
        else:
            command, output = found.pop()
            found.append((command, output + line))
    return found


def _differences(expected: list[tuple[str, str]], done: list[tuple[str, int]], wanted: int) -> Iterator[str]:
    for index, (command, shown) in enumerate(expected):
        if index >= len(done):
            yield f"$ {command}\nwas not reached"
            continue
        real, code = done[index]
        status = wanted if index == len(expected) - 1 else 0
        if code != status:
            yield f"$ {command}\nended with {code}, not {status}:\n{real}"
        elif shown and not fits(shown, real):
            yield f"$ {command}\nshall print:\n{shown}\nprints:\n{real}"


def edit(path: Path, text: str) -> None:
    """Give keys new values in a TOML file: each line of the text takes the place of its key's line."""
    content = path.read_text()
    for line in text.splitlines():
        key = line.partition("=")[0].strip()
        content, count = re.subn(
            rf"^{re.escape(key)}\s*=.*$", lambda _, to=line: to, content, flags=re.MULTILINE
        )
        assert count == 1, f"{path.name} has {count} lines for {key!r}"
    path.write_text(content)


def answers(url: str) -> bool:
    """Whether a service is there and well."""
    try:
        with urllib.request.urlopen(url, timeout=2):  # noqa: S310 # ours, on this machine
            return True
    except OSError:
        return False
