"""What this machine gives FluentPro, looked at without changing anything."""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Final

from fluentpro.cli.init import SECRETS
from fluentpro.cli.serve import bind
from fluentpro.config.environment import PREFIX
from fluentpro.config.layers import LOCAL, SETTINGS, Sources
from fluentpro.schema.server import Server

OLDEST, NEWEST = (3, 11), (3, 13)
DJANGO_SETTINGS: Final = "fluentpro.web.settings"
MEMORY: Final = Path("/dev/shm")  # noqa: S108 # the system's own shared memory, not a temporary file
LIMITS: Final = Path("/proc/sys/fs/inotify")
ROOM: Final = 16 * 2**20
"""Bytes that the processes' metrics and heartbeats are sure to fit into."""


class Verdict(StrEnum):
    """What a look found."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor's."""

    subject: str
    verdict: Verdict
    text: str
    fix: str = ""


def python(version: tuple[int, ...] = tuple(sys.version_info[:3])) -> Finding:
    """Whether this Python is one that FluentPro runs on."""
    said = ".".join(map(str, version))
    if OLDEST <= version[:2] <= NEWEST:
        return Finding("python", Verdict.OK, said)
    wanted = f"{OLDEST[0]}.{OLDEST[1]} to {NEWEST[0]}.{NEWEST[1]}"
    fix = "make install PYTHON=/path/to/python3.13"
    return Finding("python", Verdict.FAIL, f"{said}, and FluentPro runs on {wanted}", fix)


def root(sources: Sources) -> Finding:
    """Whether the folder of the settings was found."""
    if (sources.root / SETTINGS).is_file():
        return Finding("root", Verdict.OK, str(sources.root))
    text = f"no {SETTINGS} in {sources.root} or above"
    return Finding("root", Verdict.FAIL, text, "go to the project, or set FLUENTPRO_ROOT to it")


def modes(sources: Sources) -> Iterator[Finding]:
    """Whether the files of secrets are this user's alone, and out of git's reach."""
    found = [name for name in LOCAL if (sources.root / name).is_file()]
    if SECRETS not in found and sources.environment not in sources.guarded:
        yield Finding(
            SECRETS, Verdict.WARN, "not there: this machine has no secrets of its own", "fluentpro init"
        )
    for name in found:
        path = sources.root / name
        mode = path.stat().st_mode & 0o777
        if name == SECRETS and mode & 0o077:
            yield Finding(name, Verdict.FAIL, f"others may read it (mode {mode:04o})", f"chmod 600 {path}")
        elif _committable(path):
            fix = f"git rm --cached {name}; and add {name} to .gitignore"
            yield Finding(name, Verdict.FAIL, "git does not ignore it", fix)
        else:
            yield Finding(name, Verdict.OK, f"mode {mode:04o}, out of git's reach")


def variables(environ: Mapping[str, str]) -> Iterator[Finding]:
    """Which of our variables are set, and one of Django's that would lead astray."""
    ours = sorted(name for name in environ if name.startswith(PREFIX))
    yield Finding("variables", Verdict.OK, ", ".join(ours) or f"none of {PREFIX}* is set")
    chosen = environ.get("DJANGO_SETTINGS_MODULE", DJANGO_SETTINGS)
    if chosen != DJANGO_SETTINGS:
        text = f"DJANGO_SETTINGS_MODULE is {chosen}: Django would start with other settings"
        yield Finding("variables", Verdict.WARN, text, "unset DJANGO_SETTINGS_MODULE")


def watches(folder: Path) -> Finding:
    """Whether the kernel lets this user watch files: without that, a change is found by polling only."""
    limits = ", ".join(
        f"{path.name} {path.read_text().strip()}" for path in sorted(LIMITS.glob("max_user_*"))
    )
    failure = _watch(folder)
    if failure == 0:
        return Finding("file watches", Verdict.OK, limits or "possible")
    text = f"the kernel gives no more ({os.strerror(failure)}; {limits}): changes are found by polling"
    name = "max_user_watches" if failure == errno.ENOSPC else "max_user_instances"
    fix = f"sudo sysctl fs.inotify.{name}=<a higher number>"
    return Finding("file watches", Verdict.WARN, text, fix)


def memory(folder: Path = MEMORY, room: int = ROOM) -> Finding:
    """Whether there is a folder in memory for what the processes share."""
    if not (folder.is_dir() and os.access(folder, os.W_OK)):
        text = f"no folder {folder} to write to: heartbeats and metrics go to the disk"
        return Finding(
            "memory", Verdict.WARN, text, f"mount a tmpfs there, such as docker run --tmpfs {folder}"
        )
    free = shutil.disk_usage(folder).free
    if free < room:
        text = f"{folder} has {free // 2**20} MB left"
        return Finding("memory", Verdict.WARN, text, "docker run --shm-size 64m, or remove what fills it")
    return Finding("memory", Verdict.OK, f"{folder}, {free // 2**20} MB left")


def port(server: Server) -> Finding:
    """Whether the server's address can be listened on, or FluentPro listens there already."""
    where = f"{server.host} port {server.port}"
    try:
        bind(server)
    except OSError as error:
        if error.errno == errno.EADDRINUSE and _answers(server):
            return Finding("port", Verdict.OK, f"{where}: FluentPro runs there already")
        fix = "end what listens there, or take another: FLUENTPRO_SERVER__PORT, PORT=8001 make up"
        return Finding("port", Verdict.FAIL, f"can't listen on {where}: {error.strerror}", fix)
    return Finding("port", Verdict.OK, f"{where} is free")


def _committable(path: Path) -> bool:
    """Whether git, where there is one, has the file or would take it."""
    if not _git(path, "rev-parse", "--is-inside-work-tree"):
        return False
    return _git(path, "ls-files", "--error-unmatch", path.name) or not _git(path, "check-ignore", path.name)


def _git(path: Path, *arguments: str) -> bool:
    """Whether git says yes to a question about a file; no where there is no git."""
    git = shutil.which("git")
    if git is None:
        return False
    done = subprocess.run([git, *arguments], cwd=path.parent, capture_output=True, check=False)  # noqa: S603 # fixed
    return done.returncode == 0


def _watch(folder: Path) -> int:
    """Ask the kernel for one watch and give it back; the error's number, or 0."""
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "inotify_init1"):
        return 0  # not Linux: its own mechanism has no such limits
    handle = libc.inotify_init1(0)
    if handle < 0:
        return ctypes.get_errno()
    try:
        in_modify = 0x2
        made = libc.inotify_add_watch(handle, os.fsencode(folder), in_modify)
        return ctypes.get_errno() if made < 0 else 0
    finally:
        os.close(handle)


def _answers(server: Server) -> bool:
    """Whether FluentPro itself answers at the server's address."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(server.host, server.host)  # noqa: S104 # compared only
    connection = HTTPConnection(host, server.port, timeout=1)
    try:
        connection.request("GET", "/health/live")
        return connection.getresponse().getheader("X-Config-Digest") is not None
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
