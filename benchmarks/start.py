"""From the start of a process to a valid configuration and a Django that is set up, and to a first answer.

Against the same Django project with a plain settings module: FluentPro's own values written out, the same
applications, the same middleware but FluentPro's. The two are started in turn, and each round begins with
the other one.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TypeAlias

from benchmarks.support import projects
from benchmarks.support.projects import Project
from benchmarks.support.servers import ABOUT
from benchmarks.support.table import Row, at_most, ms, ratio

SETUP = (sys.executable, "-c", "import django; django.setup()")
FIRST_ANSWER = (
    sys.executable,
    "-c",
    """
import sys
from importlib import import_module
from wsgiref.util import setup_testing_defaults

environ = {"PATH_INFO": "/api/v1/about", "HTTP_HOST": "localhost"}
setup_testing_defaults(environ)
answers = []
import_module(sys.argv[1]).application(environ, lambda status, headers: answers.append(status))
sys.exit(answers != ["200 OK"])
""",
)
CHECK = (str(Path(sys.executable).with_name("fluentpro")), "check")
DJANGO_CHECK = (sys.executable, "-m", "django", "check")

Pairs: TypeAlias = tuple[list[float], list[float]]
"""Ours and the rival's, in s."""


@dataclass(frozen=True, slots=True)
class Counts:
    """How much is measured."""

    starts: int = 30
    """To `django.setup()`; half as many to a first answer, and of `fluentpro check`."""


QUICK = Counts(starts=4)


@dataclass(frozen=True, slots=True)
class Took:
    """What a process took from its start to its end."""

    wall: float
    """In s."""
    processor: float
    """In s, on all cores together."""


def measure(counts: Counts) -> Iterator[Row]:
    """Start ours and the rival in turn, to one end after the other."""
    with projects.folder() as folder:
        ours = projects.fluentpro(folder / "fluentpro")
        plain = projects.plain(folder / "plain", ours)
        what = "process start -> django.setup() done"
        walls, work = _pairs((ours, SETUP), (plain, SETUP), counts.starts)
        shown = _shown(walls, "plain settings")
        yield at_most(what, 1.5, *shown, ratio(*walls))
        yield Row(f"{what}, processor time", *_shown(work, "plain settings"), ratio(*work))
        half = max(counts.starts // 2, 1)
        mine, theirs = ((*FIRST_ANSWER, name) for name in ("fluentpro.web.wsgi", "plain.wsgi"))
        walls, _ = _pairs((ours, mine), (plain, theirs), half)
        yield Row(f"process start -> {ABOUT} answered", *_shown(walls, "plain settings"), ratio(*walls))
        walls, _ = _pairs((ours, CHECK), (plain, DJANGO_CHECK), half)
        yield Row("fluentpro check, the whole command", *_shown(walls, "django check"), ratio(*walls))


def _shown(series: Pairs, rival: str) -> tuple[str, str]:
    ours, theirs = (ms(median(one)) for one in series)
    return ours, f"{theirs} {rival}"


def _pairs(
    ours: tuple[Project, Sequence[str]], rival: tuple[Project, Sequence[str]], count: int
) -> tuple[Pairs, Pairs]:
    """What the two took, round after round: of the clock, and of the processors."""
    mine: list[Took] = []
    theirs: list[Took] = []
    for number in range(count + 1):
        order = [(mine, *ours), (theirs, *rival)]
        for series, project, command in order if number % 2 else reversed(order):
            took = _run(project, command)
            if number:  # the first round fills the caches
                series.append(took)
    return (
        ([took.wall for took in mine], [took.wall for took in theirs]),
        ([took.processor for took in mine], [took.processor for took in theirs]),
    )


def _run(project: Project, command: Sequence[str]) -> Took:
    began = time.monotonic()
    process = subprocess.Popen(
        command, cwd=project.folder, env=project.environ, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.monotonic() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return Took(wall, usage.ru_utime + usage.ru_stime)
