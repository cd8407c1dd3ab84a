"""The real stack for the faults of its servers, made whole again after each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fluentpro.stack.stack import Running, Stack
from tests.conftest import Launch
from tests.faults.safe import ENVIRONMENT, Safe
from tests.support.project import Project
from tests.support.stack import SECRETS


@pytest.fixture(scope="session")
def testing_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """PostgreSQL, Valkey and OpenBao for the environment testing; its database is migrated."""
    folder = tmp_path_factory.mktemp("testing-stack")
    with Stack(folder, ENVIRONMENT, SECRETS).running() as up:
        Safe(up, Project.make(folder / "project")).migrate()
        yield up


@pytest.fixture
def safe(testing_stack: Running, project: Project, launch: Launch) -> Iterator[Safe]:
    """The Vault of a project whose servers take their secrets from it; mended when the test is over."""
    made = Safe(testing_stack, project)
    made.mend()
    project.token = made.read("operations")["token"]
    yield made
    made.mend()
