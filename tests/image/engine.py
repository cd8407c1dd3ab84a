"""A Docker engine of our own: on a private socket, with its data in the cache, gone when it is closed."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest

from fluentpro.stack.launch import launched
from tests.image.packages import Packages
from tests.support.waiting import eventually

LONGEST: Final = 400.0
"""Seconds that one command of Docker may take; a first build downloads packages."""
KEPT: Final = "2GB"
"""How much of what was built stays for the next run."""

PREFIX: Final = "fluentpro-image-"
CLEAR: Final = "\x1b[2K"
"""What compose writes before each line of a log, whatever it is told of colours."""


@dataclass
class Engine:
    """A running engine, and its command line."""

    packages: Packages
    work: Path
    process: subprocess.Popen[bytes] | None = None
    environ: dict[str, str] = field(default_factory=dict)

    @property
    def data(self) -> Path:
        """Its images and what it built, for the next run as well."""
        return self.packages.cache / "docker"

    def start(self) -> None:
        """Start it; it ends with us, and its containers with it."""
        socket, config = f"unix://{self.work / 'docker.sock'}", self.work / "config"
        plugins = self.packages.tools / "usr/libexec/docker/cli-plugins"
        config.mkdir()
        (config / "cli-plugins").symlink_to(plugins)
        self.environ = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("FLUENTPRO_", "DOCKER_"))
        }
        self.environ |= self.packages.environ()
        self.environ |= {"DOCKER_HOST": socket, "DOCKER_CONFIG": str(config), "DOCKER_BUILDKIT": "1"}
        dockerd = shutil.which("dockerd", path=self.environ["PATH"])
        assert dockerd
        command = [
            dockerd,
            f"--host={socket}",
            f"--data-root={self.data}",
            f"--exec-root={self.work / 'exec'}",
            f"--pidfile={self.work / 'pid'}",
            "--iptables=false",
            "--ip6tables=false",
            "--bridge=none",
        ]
        with (self.work / "log").open("wb") as log:
            self.process = subprocess.Popen(
                launched(command, signal.SIGTERM), env=self.environ, stdout=log, stderr=log
            )
        eventually(self._answers, within=30, every=0.1)
        self._clear()  # a run that was killed left its containers, and they come back

    def _answers(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            pytest.exit(f"the engine ended:\n{(self.work / 'log').read_text()[-3000:]}", 1)
        return self.try_("version").returncode == 0

    def try_(
        self, *words: str, environ: dict[str, str] | None = None, timeout: float = LONGEST
    ) -> subprocess.CompletedProcess[str]:
        """Run a command of Docker; what it says on both its outputs is in `stdout`."""
        done = subprocess.run(
            ["docker", *words],
            executable=shutil.which("docker", path=self.environ["PATH"]),
            env=self.environ | (environ or {}),
            check=False,
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout,
        )
        done.stdout = done.stdout.replace(CLEAR, "")
        return done

    def docker(self, *words: str, environ: dict[str, str] | None = None, timeout: float = LONGEST) -> str:
        """Run a command of Docker that has to succeed; what it says."""
        done = self.try_(*words, environ=environ, timeout=timeout)
        assert done.returncode == 0, f"docker {' '.join(words)}: {done.returncode}\n{done.stdout}"
        return done.stdout

    def inspect(self, name: str) -> Any:
        """All that the engine knows of an image, a container, a network."""
        return json.loads(self.docker("inspect", name))[0]

    def stop(self) -> None:
        """End the containers, then the engine; nothing of it runs or is mounted any more."""
        if self.process is None:
            return
        with suppress(AssertionError, subprocess.TimeoutExpired):  # it is ended in any case
            self._clear()
            self.docker("image", "prune", "--force")
            self.docker("builder", "prune", "--force", f"--keep-storage={KEPT}")
        self.process.terminate()
        try:
            self.process.wait(60)
        finally:
            self.process.kill()
            self.process.wait()
            sweep(self.work, self.data)

    def _clear(self) -> None:
        if names := self.docker("ps", "--all", "--quiet").split():
            self.docker("rm", "--force", "--volumes", *names)
        self.docker("network", "prune", "--force")
        if names := self.docker("volume", "ls", "--quiet").split():
            self.docker("volume", "rm", *names)


def sweep(work: Path, data: Path) -> None:
    """What an engine leaves that was killed: mounts, processes that look after its containers, its folder."""
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            if entry.name.isdecimal() and f"{work}/".encode() in (entry / "cmdline").read_bytes():
                os.kill(int(entry.name), signal.SIGKILL)
    time.sleep(0.1)
    for line in reversed(Path("/proc/mounts").read_text().splitlines()):
        point = line.split()[1]
        if point.startswith((f"{work}/", f"{data}/")):
            subprocess.run(["umount", "--lazy", point], check=False)
    shutil.rmtree(work, ignore_errors=True)


@contextmanager
def running(cache: Path) -> Iterator[Engine]:
    """An engine for as long as the block runs; another run that uses the same cache is waited for."""
    packages = Packages(cache)
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("r+" if (cache / "lock").exists() else "w+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        left = Path(lock.read().strip() or "/")
        if left.name.startswith(PREFIX) and left.is_dir():  # by a run that was killed: we have the lock
            sweep(left, cache / "docker")
        # A short path: a socket's may have some hundred characters.
        engine = Engine(packages, Path(tempfile.mkdtemp(prefix=PREFIX, dir="/tmp")))
        lock.seek(0)
        lock.truncate()
        lock.write(str(engine.work))
        lock.flush()
        try:
            packages.fetch()
            engine.start()
            yield engine
        finally:
            engine.stop()
            shutil.rmtree(engine.work, ignore_errors=True)
