"""Fault 34: a fork while threads are at work."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from tests.support.project import ROOT, SETTINGS, Project, changed
from tests.support.server import KEPT

pytestmark = pytest.mark.faults


@pytest.fixture
def report(project: Project) -> dict[str, Any]:
    """What a process says that forks 20 times in the middle of reloads."""
    text = changed(project.read(), "site.name", "word")
    project.replace(SETTINGS, changed(text, "site.banner", "word"))
    environ = {name: os.environ[name] for name in KEPT if name in os.environ}
    environ |= {"ENV_FOR_DYNACONF": "testing", "FLUENTPRO_ROOT": str(project.root)}
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.forks", str(project.root)],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_child_has_no_thread_and_no_held_lock_of_its_parent_and_half_of_no_reload(
    report: dict[str, Any],
) -> None:
    """Fault 34."""
    first, *others = report["children"]
    fresh = {"status": 0, "threads": 1, "started": False, "whole": True, "reloaded": True}
    assert first == {**fresh, "followed": True, "left": 1}
    assert all(child == fresh for child in others), others
    assert report["threads"] == 1, "the parent's own watch ended when it was told to"
