"""The real stack for the faults of its servers, made whole again after each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from fluentpro.stack.stack import Running, Stack
from tests.conftest import Launch
from tests.faults.crew import FLEET, Crew, joined
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


@pytest.fixture
def crew(safe: Safe, launch: Launch) -> Iterator[Callable[..., Crew]]:
    """Starts a fleet; in the end, nothing is overridden."""
    made: list[Crew] = []

    def start(workers: int = 3, **variables: str) -> Crew:
        server = launch(workers, **{**safe.variables, **FLEET, **variables})
        made.append(joined(Crew(safe, server)))
        return made[-1]

    yield start
    for ship in made:
        ship.fluentpro(
            "rollback", "0", "--reason", "the test is over", "--timeout", "1", "--force", status=None
        )
