"""A project of its own for each test: the committed settings files, and fresh secrets."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from fluentpro.cli.main import main
from tests.cli.project import Project, clone, with_secrets


@pytest.fixture
def bare(tmp_path: Path) -> Project:
    """The committed files alone, as after a clone."""
    return clone(tmp_path)


@pytest.fixture
def project(bare: Project) -> Project:
    """With this machine's secrets: valid in development and testing."""
    return with_secrets(bare)


@pytest.fixture
def invoke(project: Project, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """The command inside this process: quick, where processes and signals don't matter."""
    monkeypatch.chdir(project.root)
    for name in os.environ:
        if name.startswith(("FLUENTPRO_", "ENV_FOR_", "DYNACONF", "TERMINATION")):
            monkeypatch.delenv(name)

    def invoke(*arguments: str, **variables: str) -> Result:
        return CliRunner().invoke(main, arguments, env=variables)

    return invoke
